"""A launch: once for each job, whatever is sent, and nothing that is secret on the disk."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.remote.jobs.box import Box, new_id
from tests.remote.jobs.test_endings import ready

HOSTILE = (
    "two words",
    'it\'s "quoted"',
    "new\nline",
    "$(touch /tmp/never) `id` ; true",
    "-rf",
    "\N{PARTY POPPER} emoji",
    "",
    "{}",
    "\\x00%s",
)
ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"


def test_twenty_launches_at_once_start_one_job(any_box: Box, tmp_path: Path) -> None:
    spec = {"id": new_id(), "argv": ["sh", "-c", f"echo run >> {tmp_path}/runs; sleep 0.5"]}
    with ThreadPoolExecutor(20) as pool:
        tries = [pool.submit(any_box.ask, "launch", spec=spec) for _ in range(20)]
        answers = [any_box.record(each.result()) for each in tries]
    assert len({record.supervisor for record in answers}) == 1
    any_box.ended(str(spec["id"]))
    assert (tmp_path / "runs").read_text() == "run\n"
    assert any_box.record(any_box.ask("launch", spec=spec)).state == "ended"
    assert (tmp_path / "runs").read_text() == "run\n"


def test_a_launch_that_was_cut_is_begun_again(box: Box) -> None:
    box.run("true")  # makes the folders
    job = new_id()
    (folder,) = (box.root / "state").glob("*/jobs")
    (folder / job).mkdir()
    assert box.show(job).state == "starting"
    old = time.time() - 60
    os.utime(folder / job, (old, old))
    ending = box.show(job).ending
    assert ending
    assert "launch was cut" in ending.words
    assert box.ended(box.launch("sh", "-c", "exit 4", id=job).id).ending == box.show(job).ending
    ending = box.show(job).ending
    assert ending
    assert ending.code == 4


def test_a_launch_is_answered_when_the_command_runs(box: Box) -> None:
    record = box.launch("sleep", "100")
    assert record.state == "running"
    assert record.main
    assert Path(f"/proc/{record.main.pid}/cmdline").read_bytes() == b"sleep\x00100\x00"


def test_a_job_lives_in_a_session_of_its_own_without_files_of_the_launch(box: Box) -> None:
    record = box.launch("sleep", "100")
    assert record.main
    assert record.supervisor
    assert os.getsid(record.main.pid) == record.main.pid
    assert os.getsid(record.supervisor.pid) not in (os.getsid(0), record.main.pid)
    places = [os.readlink(f"/proc/{record.main.pid}/fd/{number}") for number in (0, 1, 2)]
    log = str(box.folder(record.id) / "log")
    assert places == ["/dev/null", log, log]
    assert len(os.listdir(f"/proc/{record.main.pid}/fd")) == 3


def test_hostile_words_arrive_as_they_are(any_box: Box, tmp_path: Path) -> None:
    folder = tmp_path / "a 'b' \"c\" $(d)\n\N{PARTY POPPER}"
    folder.mkdir()
    record = any_box.run(
        *(sys.executable, "-c", ECHO, *HOSTILE),
        cwd=str(folder),
        name="-x $(id)\n",
        environment={f"V{number}": word for number, word in enumerate(HOSTILE)},
    )
    argv, environment, cwd = json.loads(any_box.log(record.id))
    assert argv == list(HOSTILE)
    assert [environment[f"V{number}"] for number in range(len(HOSTILE))] == list(HOSTILE)
    assert (cwd, environment["PWD"], record.cwd) == (str(folder),) * 3
    assert record.spec.name == "-x $(id)\n"
    assert not Path("/tmp/never").exists()


def test_bytes_that_are_no_text_are_preserved(box: Box, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)
    record = box.run("pwd", cwd=os.fsdecode(folder))
    assert box.log(record.id) == folder + b"\n"
    assert record.cwd.endswith("/\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "../20261123-000000-aaaa"}, "is not an id"),
        ({"id": "20261123-000000-aaaa/x"}, "is not an id"),
        ({"id": 5}, "is not an id"),
        ({"argv": []}, "command is empty"),
        ({"argv": "ls"}, "not a list"),
        ({"argv": ["a\0b"]}, "not a list"),
        ({"environment": {"A=B": "c"}}, "cannot be the name"),
        ({"files": {"../x": "y"}}, "not a plain file name"),
        ({"gpus": {"mode": "some"}}, "not understood"),
        ({"gpus": {"count": 0}}, "not understood"),
        ({"after": "../../x"}, "not an id"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(box: Box, change: dict[str, object], words: str) -> None:
    spec: dict[str, object] = {"id": "20261123-000000-aaaa", "argv": ["true"], **change}
    assert words in box.refused("launch", spec=spec)
    assert not (box.root / "state").exists()


def test_fields_that_are_not_known_stay_in_the_spec(box: Box) -> None:
    record = box.run("true", novelty={"a": [1]})
    assert json.loads((box.folder(record.id) / "spec.json").read_text())["novelty"] == {"a": [1]}


def test_secrets_never_reach_the_disk_or_another_command_line(box: Box) -> None:
    secret = "s3cret-" + new_id()
    box.gpus("")
    record = box.launch(
        *("sh", "-c", 'test "$HF_TOKEN" = "$OTHER" && echo same; echo ready; sleep 100'),
        environment={"HF_TOKEN": secret, "OTHER": secret, "PLAIN": "shown", "MAX_TOKENS": "9"},
        hidden=["OTHER"],
        gpus={"mode": "count"},
    )
    ready(box, record.id)
    assert box.log(record.id) == b"same\nready\n"
    assert (record.spec.environment, record.spec.hidden) == (
        {"PLAIN": "shown", "MAX_TOKENS": "9"},
        ("HF_TOKEN", "OTHER"),
    )
    for folder in (box.root / "state", box.root / "queue"):
        for path in folder.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert secret.encode() not in path.read_bytes()
        except OSError:
            continue


def test_records_are_private_and_the_job_has_the_umask_of_its_user(box: Box, tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        record = box.run("sh", "-c", f"umask; : > {tmp_path}/made")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o640
    for path in [box.folder(record.id), *box.folder(record.id).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_somebody_else_is_refused(box: Box) -> None:
    (box.root / "state").mkdir()
    os.chown(box.root / "state", 65534, 65534)
    assert "not yours" in box.refused("launch", spec={"id": new_id(), "argv": ["true"]})
    os.chown(box.root / "state", 0, 0)


def test_small_programs_travel_along(box: Box) -> None:
    record = box.run(
        *("sh", "{files}/a b.sh", "{folder}"),
        files={"a b.sh": 'echo "$1"; pwd; echo "$HERE"'},
        cwd="{folder}",
        environment={"HERE": "{files}"},
    )
    folder = str(box.folder(record.id))
    assert box.log(record.id).decode().splitlines() == [folder, folder, f"{folder}/files"]
    assert box.show(record.id).spec.files
    assert not box.list().jobs[0].spec.files


def test_python_is_unbuffered_and_the_login_forgotten(box: Box) -> None:
    box.environment.update(SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22", SSH_AUTH_SOCK="/tmp/gone")
    record = box.run(sys.executable, "-c", ECHO, environment={"OWN": "1"})
    environment = json.loads(box.log(record.id))[1]
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["GPUBOX_JOB"] == record.id
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert not [name for name in environment if name.startswith("SSH_")]
    record = box.run(sys.executable, "-c", ECHO, environment={"PYTHONUNBUFFERED": ""}, gpus={"mode": "any"})
    environment = json.loads(box.log(record.id))[1]
    assert environment["PYTHONUNBUFFERED"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in environment


def test_the_commit_of_the_folder_is_noted(box: Box, tmp_path: Path) -> None:
    def git(*words: str) -> str:
        words = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", *words)
        return subprocess.run(
            ["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    (tmp_path / "train.py").write_text("1")
    git("add", "train.py")
    git("commit", "-q", "-m", "one")
    commit = git("rev-parse", "--short=12", "HEAD").strip()
    job = box.launch("sleep", "100", cwd=str(tmp_path)).id
    assert box.until(job, lambda record: record.commit).commit == commit
    (tmp_path / "train.py").write_text("2")
    job = box.launch("sleep", "100", cwd=str(tmp_path)).id
    assert box.until(job, lambda record: record.commit).commit == commit + "+"


def test_results_are_found_by_their_patterns(box: Box, tmp_path: Path) -> None:
    record = box.run(
        *("sh", "-c", "mkdir -p out/deep; touch out/a.png out/deep/b.png [x].txt"),
        cwd=str(tmp_path),
        results=["out/**/*.png", "none*"],
    )
    assert sorted(record.results) == [f"{tmp_path}/out/a.png", f"{tmp_path}/out/deep/b.png"]


def test_the_record_can_be_read_by_a_person(box: Box) -> None:
    record = box.run("sh", "-c", "exit 3")
    text = (box.folder(record.id) / "status.json").read_text()
    assert '\n "state": "ended",\n' in text
    assert time.strftime("%Y-%m-%d %H:%M", time.localtime(record.ended)) in text
    assert not list(box.folder(record.id).glob("*.tmp"))
    assert not (box.folder(record.id) / "reserve").exists()


def test_only_ended_jobs_are_removed(box: Box) -> None:
    first, second = box.run("true").id, box.launch("sleep", "100").id
    assert "has not ended" in box.refused("remove", ids=[second])
    assert box.ask("remove", ids=[first, first]) == {}
    assert [record.id for record in box.list().jobs] == [second]
    assert "No such job" in box.refused("show", id=first)


def test_every_change_is_noted_for_the_probe(box: Box) -> None:
    job = box.launch("sleep", "100").id
    (note,) = (box.root / "state").glob("*/jobs/.changed")
    before = note.stat().st_mtime_ns
    box.ask("stop", id=job, by="ada")
    box.ended(job)
    assert note.stat().st_mtime_ns > before


@pytest.mark.parametrize("words", [(), ("dance",), ("follow", "x"), ("follow", "x", "y"), ("show", "--help")])
def test_what_is_not_understood_is_answered_in_words(box: Box, words: tuple[str, ...]) -> None:
    answer = json.loads(box.raw(*words, request=[]))
    assert answer["error"]["title"]
