"""`gpubox-tui run` as a program: what it prints, how it ends, and what the job gets to see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gpubox.boxes.box import Box
from gpubox.commands import job_log
from gpubox.commands.run import waited as waited_for
from gpubox.config.settings import Settings
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import Ending, Record
from tests.commands.box_jobs import job_folders
from tests.commands.run import PROGRAM, Ran, apart, environment, here
from tests.hang import LIMIT

PLAIN = ("--env", "none", "--gpus", "none")


@pytest.fixture(autouse=True)
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine as a box without jobs, and a terminal in a folder where they may leave things."""
    folder = tmp_path / "terminal"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with job_folders(tmp_path / "box") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield


def run(*words: str, **more: str) -> Ran:
    """Start a job on this machine."""
    return apart("run", "local", *PLAIN, *words, **more)


def waited(*words: str, **more: str) -> Ran:
    """Start a job on this machine and wait for its end."""
    return run("--wait", *words, **more)


def test_the_id_stands_alone_on_stdout() -> None:
    ran = run("--", "true")
    assert (ran.status, ran.err) == (0, "")
    (job,) = ran.out.split()
    shown = json.loads(apart("jobs", "local", "show", job, "--json").out)
    assert shown["job"]["id"] == job
    assert shown["job"]["spec"]["argv"] == ["true"]


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("exit 0", 0, ""),
        ("exit 7", 7, "exit 7"),
        ("kill -SEGV $$", 139, "SEGV"),
        ("kill -TERM $$", 143, "TERM"),
    ],
)
def test_waiting_ends_as_the_job_ended(script: str, status: int, said: str) -> None:
    ran = waited("--", "sh", "-c", f"printf 'no line end'; {script}")
    assert (ran.status, ran.out) == (status, "no line end")
    assert said in ran.err


def test_a_time_limit_ends_with_124() -> None:
    ran = waited("--limit", "1", "--", "sleep", "60")
    assert ran.status == 124


def test_what_cannot_be_started_ends_with_127() -> None:
    ran = waited("--", "no-such-program-anywhere")
    assert ran.status == 127
    assert "no-such-program-anywhere" in ran.err


def test_what_did_not_start_fails_at_once_also_when_nobody_waits() -> None:
    ran = run("--", "no-such-program-anywhere")
    assert ran.status == 127
    assert "could not be started: no-such-program-anywhere" in ran.err
    assert ran.out.split()[0] in apart("jobs", "local", "list").out
    for _ in range(5):  # on a busy machine the driver's answer may come after the launch has been reported
        ran = apart("run", "local", "--env", "none", "--gpus", "99", "--", "true")
        if ran.status:
            break
    assert ran.status == 125
    assert "GPUs not available" in ran.err


def test_the_job_sees_each_word_as_it_stands(tmp_path: Path) -> None:
    words = [
        "",
        " ",
        "a  b",
        "new\nline",
        "$(id)",
        "`id`",
        "'",
        '"',
        "\\",
        "-rf",
        "--",
        "*",
        "🧪",
        "{files}x",
    ]
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    ran = waited("--name", "$(x)\n'", "--", "python3", "-c", script, *words)
    assert ran.status == 0, ran.err
    seen = json.loads(ran.out)
    assert seen[:-1] == words[:-1]


def test_binary_comes_whole(tmp_path: Path) -> None:
    script = "import os\nfor _ in range(200): os.write(1, bytes(range(256)) * 64)"
    done = subprocess.run(
        [*PROGRAM, "run", "local", *PLAIN, "--wait", "--", "python3", "-c", script],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.stdout == bytes(range(256)) * 64 * 200


def test_folder_name_and_variables_reach_the_job(tmp_path: Path) -> None:
    folder = tmp_path / "a folder's $name"
    folder.mkdir()
    script = "import json, os; print(json.dumps([os.getcwd(), os.environ['A'], os.environ['MINE']]))"
    ran = waited(
        "--dir", str(folder), "--set-env", "A=x=$y \n", "--secret-env", "MINE",
        "--", "python3", "-c", script, MINE="swordfish-7",
    )  # fmt: skip
    assert json.loads(ran.out) == [str(folder), "x=$y \n", "swordfish-7"]
    saved = subprocess.run(
        ["grep", "-r", "-l", "swordfish-7", os.environ["GPUBOX_STATE_DIR"], os.environ["HOME"]],
        capture_output=True,
        check=False,
    )
    log = saved.stdout.decode().split()
    assert [Path(path).name for path in log] == ["log"]  # where the job itself wrote it


def test_on_this_machine_a_job_runs_in_the_folder_of_the_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "run", "local", *PLAIN, "--wait", "--", "pwd"],
        stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=LIMIT, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.decode() == f"{tmp_path}\n"


def test_a_job_after_another_begins_when_that_one_has_ended(tmp_path: Path) -> None:
    first = run("--name", "first", "--", "sh", "-c", "sleep 1; echo x > done; exit 3")
    assert first.status == 0
    failed = waited("--after", "first", "--", "true")
    assert failed.status == 125
    assert waited("--after-any", first.out.strip(), "--", "cat", "done").out == "x\n"


def test_results_are_fetched_in_the_end(tmp_path: Path) -> None:
    words = ("--set", f"jobs.results={tmp_path / 'results'}", "--result", "out*.txt", "--name", "a job")
    there = tmp_path / "there"
    there.mkdir()
    script = "mkdir sub; echo one > 'out 1.txt'; echo no > other"
    ran = waited(*words, "--dir", str(there), "--", "sh", "-c", script)
    assert ran.status == 0
    folder = Path(ran.err.strip().splitlines()[-1].removeprefix("results: "))
    assert folder.is_relative_to(tmp_path / "results")
    assert (folder / "out 1.txt").read_text() == "one\n"
    assert not (folder / "other").exists()
    again = apart("jobs", "--set", f"jobs.results={tmp_path / 'results'}", "local", "results", "a job")
    assert again.out == f"{folder}\n"


def test_interrupted_it_leaves_the_job_running() -> None:
    script = "echo begun; sleep 60"
    with subprocess.Popen(
        [*PROGRAM, "run", "local", *PLAIN, "--name", "long", "--wait", "--", "sh", "-c", script],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert "jobs local stop 2" in err.decode()
    assert "Traceback" not in err.decode()
    (shown,) = json.loads(apart("jobs", "local", "list", "--json").out)["jobs"]
    assert shown["state"] == "running"
    assert "stopped by" in apart("jobs", "local", "stop", "long", "--wait").out


def test_the_end_runs_the_command_of_the_settings(tmp_path: Path) -> None:
    reported = tmp_path / "told"
    command = f'printf "%s|" "$GPUBOX_BOX" "$GPUBOX_JOB_NAME" "$GPUBOX_JOB_STATUS" > {reported}'
    words = ("--set", f"jobs.notify_command={command}")
    assert apart("run", "local", *PLAIN, *words, "--wait", "--name", "a $(b) 'c'", "--", "false").status == 1
    assert reported.read_text() == "local|a $(b) 'c'|1|"
    reported.unlink()
    assert apart("run", "local", *PLAIN, *words, "--wait", "--no-notify", "--", "false").status == 1
    assert not reported.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Nothing to run"),
        (("--template", "x", "--", "true"), "Nothing to run"),
        (("--limit", "soon", "--", "true"), "Not a duration"),
        (("--gpus", "many", "--", "true"), "No such GPU"),
        (("--set-env", "x", "--", "true"), "Not a variable"),
        (("--secret-env", "NOT_SET_ANYWHERE", "--", "true"), "No such variable"),
        (("--var", "a=b", "--", "true"), "No template"),
        (("--after", "a", "--after-any", "b", "--", "true"), "One job before it"),
        (("--partition", "p", "--", "true"), "No partition"),
        (("--backend", "cloud", "--", "true"), "cloud"),
        (("--template", "no-such", "--env", "none"), "No such template"),
    ],
)
def test_wrong_words_end_with_two(words: tuple[str, ...], said: str) -> None:
    ran = here("run", "local", "--env", "none", *words)
    assert ran.status == 2
    assert said in ran.err


def test_a_box_that_cannot_be_reached_is_reported_from_a_job_that_failed() -> None:
    words = ("--set", "ssh.connect_timeout=2", "run", "nobody@127.0.0.1:1", "--env", "none")
    assert apart(*words, "--", "true").status == 1
    assert apart(*words, "--wait", "--", "true").status == 125


async def test_why_a_job_failed_reaches_the_terminal_clean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = Record(
        "x", "ended", JobSpec("x", ("y",)), 1.0, ending=Ending("signal", signal="ILL", why="\x1b]0;hit")
    )

    async def pour(*_: object, **__: object) -> None:
        pass

    async def show(job: str) -> Record:
        return evil

    async def claim_endings(jobs: object) -> None:
        pass

    monkeypatch.setattr(job_log, "pour", pour)

    def use(_: object) -> SimpleNamespace:
        return SimpleNamespace(show=show, claim_endings=claim_endings)

    box = SimpleNamespace(name="xub", use=use, shell=Feed(None))
    assert await waited_for(cast("Box", box), Settings(), evil) == 132
    said = capsys.readouterr().err
    assert "]0;hit" in said
    assert "\x1b" not in said
