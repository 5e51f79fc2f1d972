"""`gpubox-tui jobs` as a program: what it prints of jobs, and what it does to them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import CliRunner

from gpubox.commands.job_report import details, rows, to_json
from gpubox.commands.jobs import jobs as command
from gpubox.config.settings import Settings
from gpubox.core.errors import Dropped
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import Ending, GpuUse, Record, Usage
from tests.boxes.jobs.backend import job
from tests.boxes.jobs.windows import Saved
from tests.boxes.scripted import ScriptedShell
from tests.commands.box_jobs import job_folders
from tests.commands.run import PROGRAM, Ran, apart, environment
from tests.hang import LIMIT


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine as a box without jobs, and a terminal in a folder where they may leave things."""
    monkeypatch.chdir(tmp_path)
    with job_folders(tmp_path / "box") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield


DONE = job(1, state="ended", ending=Ending("exit", 0))


def jobs(*words: str) -> Ran:
    return apart("jobs", "local", *words)


def started(name: str, script: str) -> str:
    ran = apart("run", "local", "--env", "none", "--gpus", "none", "--name", name, "--", "sh", "-c", script)
    assert ran.status == 0, ran.err
    return ran.out.strip()


@pytest.mark.usefixtures("box")
def test_jobs_are_listed_shown_stopped_rerun_and_removed() -> None:
    assert jobs("list").out == "No jobs.\n"
    first = started("a'b", "echo one; echo two; exit 3")
    assert jobs("logs", "-f", first).out == "one\ntwo\n"
    second = started("long", "trap '' TERM; sleep 60")
    lines = jobs("list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", second, first]
    assert "exit 3" in lines[2]
    assert "running" in lines[1]
    assert [line.split()[0] for line in jobs("list", "--active").out.splitlines()] == ["ID", second]
    refused = jobs("remove", "long")
    assert (refused.status, refused.out) == (1, "")
    assert "has not ended" in refused.err
    assert "stopped by" in jobs("stop", "--wait", second[-6:]).out
    again = jobs("rerun", "a'b").out.strip()
    assert again not in ("", first, second)
    assert jobs("logs", "-f", again).out == "one\ntwo\n"
    assert jobs("remove", first, again, "long").status == 0
    assert jobs("list").out == "No jobs.\n"
    assert jobs() == jobs("list")


def test_a_link_that_drops_while_a_job_is_started_again_starts_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work_on_a_weak_link(work: Callable[[object, object], Awaitable[int]]) -> int:
        saved = Saved(DONE)
        launch = saved.backend.launch

        async def answer_lost(spec: JobSpec) -> Record:
            record = await launch(spec)
            if len(sent) == 0:
                saved.shell.put(ScriptedShell())  # it was there, and its answer went with the link
            sent.append(spec.id)
            if len(sent) == 1:
                raise Dropped("Not connected", "The link is lost")
            return record

        saved.backend.launch = answer_lost

        def use(_: object) -> object:
            return saved.jobs

        box = SimpleNamespace(name="xub", shell=saved.shell, use=use)
        status = await work(box, Settings())
        assert set(saved.backend.records) == {DONE.id, *sent}
        return status

    sent: list[str] = []

    def with_box(_ctx: object, _name: str, work: Callable[[object, object], Awaitable[int]]) -> int:
        return asyncio.run(work_on_a_weak_link(work))

    monkeypatch.setattr("gpubox.commands.session.with_box", with_box)
    done = CliRunner().invoke(command, ["xub", "rerun", DONE.id], standalone_mode=False)
    assert (done.exception, done.return_value) == (None, 0)
    assert done.output == f"{sent[0]}\n"
    assert sent == [sent[0]] * 2


@pytest.mark.usefixtures("box")
def test_a_log_is_printed_byte_for_byte_and_from_the_last_lines_on() -> None:
    job = started("log", r"printf 'a\nb\r\n\377\000\n\nend'")
    whole = b"a\nb\r\n\xff\0\n\nend"
    for words, expected in (
        ((), whole),
        (("-f",), whole),
        (("-n", "1"), b"end"),
        (("-n", "3"), b"\xff\0\n\nend"),
        (("-n", "0"), b""),
        (("-n", "99"), whole),
        (("-n", "2", "-f"), b"\nend"),
    ):
        done = subprocess.run(
            [*PROGRAM, "jobs", "local", "logs", job, *words],
            stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=LIMIT, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, expected), words


@pytest.mark.usefixtures("box")
def test_a_process_can_be_left_out_of_account_and_one_that_is_gone_cannot() -> None:
    assert jobs("ignore", str(os.getpid())).status == 0
    ran = jobs("ignore", "4194999")
    assert (ran.status, ran.out) == (1, "")
    assert "no process 4194999" in ran.err


@pytest.mark.usefixtures("box")
def test_a_job_that_is_not_there_is_named_with_what_is_close() -> None:
    started("training", "true")
    ran = jobs("show", "trainings")
    assert (ran.status, ran.out) == (1, "")
    assert "Did you mean training?" in ran.err


@pytest.mark.usefixtures("box")
def test_a_reader_that_goes_away_ends_it_without_words() -> None:
    job = started("flood", "yes | head -c 5000000")
    program = " ".join(PROGRAM)
    ran = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program} jobs local logs {job} | head -1"],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=LIMIT, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (141, b"y\n", b"")


RECORD = Record(
    id="20261123-120000-abc234",
    state="ended",
    spec=JobSpec(
        id="20261123-120000-abc234", argv=("a", "b\x1b[31m"), name="x\ny", env="torch", prefix="/envs/torch"
    ),
    submitted=1.0,
    started=2.0,
    ended=5.0,
    ending=Ending("signal", signal="SEGV", core=True, why="it \x1b]0;wanted"),
    usage=Usage(real=3.25, user=3.0, sys=0.25, max_rss=1 << 20, peak_tree=2 << 20),
    gpus=(
        GpuUse("GPU-1\x1b[2J", -1, "lost"),
        GpuUse("GPU-1", 1, "H200", mean_util=50.0, peak_memory=1 << 30, energy=12.0),
    ),
    results=("/home/x/out.png",),
    now=9.0,
)


def test_what_people_read_is_safe_to_draw() -> None:
    text = "\n".join([*rows([RECORD]), *details(RECORD)])
    assert "\x1b" not in text
    assert "x y" in text
    assert "SEGV, core dumped" in text
    assert "GPU 1 H200   util 50% · memory 1.0G · 12 J" in text


def test_a_job_that_has_no_figures_yet_says_its_gpus_and_its_time() -> None:
    waiting = Record("1", "queued", JobSpec("1", ("true",), gpus=GpuRequest("count", 2)), 0.0)
    running = msgspec.structs.replace(waiting, state="running", started=5.0, now=70.0)
    assert ["GPUs", "2", "free"] in [line.split() for line in details(waiting)]
    assert ["For", "1m", "05s"] in [line.split() for line in details(running)]


def test_an_ending_of_many_words_leaves_the_list_narrow_and_says_nothing_twice() -> None:
    words = "Its supervisor was killed before the command began" + " x" * 200
    lost = msgspec.structs.replace(RECORD, ending=Ending("lost", words=words))
    assert len(rows([lost])[1]) < 200
    assert "\n".join(details(lost)).lower().count("supervisor was killed") == 1
    limit = msgspec.structs.replace(RECORD, ending=Ending("limit", words="Its time limit of 1 s passed"))
    assert "  its time limit of 1 s passed  " in rows([limit])[1]


def test_json_has_every_field() -> None:
    found = json.loads(json.dumps(to_json(RECORD)))
    assert found["exit_status"] == 139
    assert found["spec"]["gpus"] == {"mode": "none", "count": 1, "uuids": []}
    assert found["usage"]["peak_tree"] == 2 << 20
    assert set(found) == {"exit_status", *Record.__struct_fields__}
    waiting = Record(
        id="x", state="queued", spec=JobSpec("x", ("y",), gpus=GpuRequest(count=2)), submitted=1.0
    )
    assert to_json(waiting)["exit_status"] is None
    assert "  ×2  " in rows([waiting])[1]
