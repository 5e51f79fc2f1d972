"""Jobs that change one environment run one at a time, and none is taken away in which a job runs."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpubox.core.record import Record
from tests.remote.bundles import remote
from tests.remote.jobs.box import LIMIT, Box, kill
from tests.remote.jobs.test_queue import queued, running, stop

# Notes that it began and ended; between them it waits for a line of its pipe.
CHANGE = 'echo "begin $1" >> trace; read go < "pipe-$1"; echo "end $1" >> trace'


def change(box: Box, number: str, prefix: Path, **spec: object) -> Record:
    """Launch a change of an environment that ends when its pipe is written to."""
    os.mkfifo(box.home / f"pipe-{number}")
    argv = ("sh", "-c", CHANGE, "sh", number)
    return box.launch(*argv, name=f"change {number}", cwd=str(box.home), changes=[str(prefix)], **spec)


def go(box: Box, number: str) -> None:
    (box.home / f"pipe-{number}").write_text("go\n")


def environment(box: Box, name: str = "torch") -> Path:
    """An environment of conda, as far as locks look at it."""
    prefix = box.home / "envs" / name
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").touch()
    return prefix


def begun(box: Box, job: Record, number: str) -> None:
    box.until(job.id, lambda _: f"begin {number}" in _trace(box))


def _trace(box: Box) -> str:
    path = box.home / "trace"
    return path.read_text() if path.exists() else ""


def test_changes_of_one_environment_run_one_after_the_other_in_their_order(any_box: Box) -> None:
    prefix = environment(any_box)
    jobs = [change(any_box, number, prefix) for number in "123"]
    begun(any_box, jobs[0], "1")
    for job in jobs[1:]:
        assert queued(any_box, job.id).waits.startswith("job change ")
    for job, number in zip(jobs, "123", strict=True):
        begun(any_box, job, number)
        go(any_box, number)
    for job in jobs:
        any_box.ended(job.id)
    assert _trace(any_box).split("\n")[:-1] == [f"{word} {n}" for n in "123" for word in ("begin", "end")]


def test_a_new_environment_is_made_by_one_job_at_a_time(box: Box) -> None:
    first = change(box, "1", Path("~/envs/new"))
    second = change(box, "2", box.home / "envs" / "new")
    other = change(box, "3", box.home / "envs" / "other")
    begun(box, first, "1")
    begun(box, other, "3")
    assert "change 1" in queued(box, second.id).waits
    go(box, "1")
    begun(box, second, "2")
    go(box, "2")
    go(box, "3")
    for job in (first, second, other):
        box.ended(job.id)


def test_a_change_whose_supervisor_was_killed_is_waited_for(box: Box) -> None:
    prefix = environment(box)
    first = change(box, "1", prefix)
    begun(box, first, "1")
    assert first.supervisor
    kill(first.supervisor.pid)
    second = change(box, "2", prefix)
    assert "change 1" in queued(box, second.id).waits
    go(box, "1")
    begun(box, second, "2")
    go(box, "2")
    box.ended(second.id)


def test_one_that_is_gone_when_its_turn_comes_is_said_to_be(box: Box) -> None:
    prefix = environment(box)
    first = change(box, "1", prefix, removes=True)
    begun(box, first, "1")
    second = change(box, "2", prefix, removes=True)
    queued(box, second.id)
    (prefix / "conda-meta" / "history").unlink()
    (prefix / "conda-meta").rmdir()
    prefix.rmdir()
    go(box, "1")
    box.ended(first.id)
    ending = box.ended(second.id).ending
    assert ending
    assert (ending.how, ending.words) == ("env", f"{prefix} is not there any more")


ENVS = """
import os
class ActivationError(Exception): pass
def activate(prefix, kind, before):
    return dict(os.environ)
"""


@pytest.mark.parametrize("state", ["running", "queued"])
def test_an_environment_in_which_a_job_runs_is_not_removed(box: Box, state: str) -> None:
    remote(box.program, "envs/activate.py").write_text(ENVS)
    prefix = environment(box)
    if state == "running":
        user = box.launch("sh", "-c", "echo ready; exec sleep 100", name="resnet", prefix=str(prefix))
        running(box, user.id)
    else:
        before = box.launch("sleep", "100")
        user = box.launch("true", name="resnet", prefix=str(prefix), after=before.id)
        queued(box, user.id)
    spec = {"id": "20261128-120000-rmrm", "argv": ["true"], "changes": [str(prefix)], "removes": True}
    verb = "runs in it" if state == "running" else "waits to run in it"
    refused = box.refused("launch", spec=spec)
    assert refused == f"The environment is in use: Job resnet ({user.id}) {verb}: {prefix}"
    assert spec["id"] not in [record.id for record in box.list().jobs]
    box.ended(box.launch("true", changes=[str(prefix)]).id)  # packages may be installed
    stop(box, user.id)
    ending = box.run("true", changes=[str(prefix)], removes=True).ending
    assert ending
    assert ending.code == 0


HELD = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(handle, int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


def test_other_users_meet_at_the_environment_itself(box: Box) -> None:
    prefix = environment(box)

    def somebody(folder: Path, kind: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", HELD, str(folder), str(kind)]
        held = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert held.stdout
        assert held.stdout.readline() == b"held\n"
        return held

    with somebody(prefix / "conda-meta", fcntl.LOCK_EX) as changing:
        job = box.launch("true", changes=[str(prefix)])
        waits = queued(box, job.id).waits
        assert waits.startswith(f"a change of {prefix} by ")
        changing.communicate(timeout=LIMIT)
    assert box.ended(job.id).ending
    with somebody(prefix, fcntl.LOCK_SH) as inside:
        ending = box.run("true", changes=[str(prefix)], removes=True).ending
        assert ending
        assert (ending.how, ending.words[:9]) == ("env", "A job of ")
        assert box.ended(box.launch("true", changes=[str(prefix)]).id).ending
        inside.communicate(timeout=LIMIT)
