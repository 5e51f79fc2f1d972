"""Two users of one box: one queue, in which neither gets what the other has, nor can do the other harm."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.core.record import Record
from tests.remote.jobs.box import LIMIT, Box, kill
from tests.remote.running import pythons

TWO: dict[str, object] = {"mode": "count", "count": 2}
ADA, MALLORY = 64011, 64012
"""User numbers that no Debian package has."""
IMPORT = "import sys; sys.path.insert(0, sys.argv[1])\n"
CONTEST = """
import os, time
from gpubox.remote.jobs import gpu_queue, leases
gpu = {"uuid": "GPU-0000"}
mark = sys.argv[2]
won = 0
while won < 40:
    lease = gpu_queue.Lease("20261123-000000-%d" % os.getpid())
    if lease.take([gpu]):
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        os.unlink(mark)
        lease.release()
        won += 1
    time.sleep(os.urandom(1)[0] / 255 / 500)  # or one of them might win each time
print("won")
"""
GRIP = """
import fcntl, glob, os, sys, time
from gpubox.remote.jobs import leases
handles = []
for path in glob.glob(os.environ["GPUBOX_QUEUE_DIR"] + "/*/*-*"):
    handle = os.open(path, os.O_RDONLY)
    for grip in (lambda: fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB),
                 lambda: leases._lock(handle, leases._SETLK, fcntl.F_RDLCK)):
        try:
            grip()
        except OSError:
            pass
    handles.append(handle)
print(len(handles), flush=True)
sys.stdin.read()
"""
NONSENSE = """
import os, sys
from gpubox.remote.jobs import leases
queue, ada = os.environ["GPUBOX_QUEUE_DIR"], int(sys.argv[2])
own = leases.own_folders()[0]
job = "20260101-000000-aaaa"
def put(name, text):
    with open(os.path.join(own, name), "w") as file:
        file.write(text)
put("lease-" + job, '{"gpus": ["GPU-0000"]}\\n')  # nobody has it locked
put("lease-" + job + "b", '{"gpus": ["GPU-0000"], "process": {"pid": 1, "start": 1}}\\n')
put("lease-" + job + "c", "[" * 60000 + "\\n")
put("lease-" + job + "d", '{"gpus": 7, "process": {"pid": 1e999}}\\n')
put("lease-" + job + "e", "\\xff\\n" * 40000)
os.mkfifo(os.path.join(own, "lease-%sf" % job))
os.symlink("/dev/zero", os.path.join(own, "lease-%sg" % job))
os.symlink("/root", os.path.join(queue, "gpubox-queue-%d" % ada))
os.mkdir(os.path.join(queue, "gpubox-queue-%d.aa" % ada))
with open(os.path.join(queue, "gpubox-queue-%d.aa" % ada, "lease-" + job), "w") as file:
    file.write('{"gpus": ["GPU-0000"]}\\n')
notes = [
    leases.Note("lease-%sh" % job, {"gpus": {"GPU-0000": 1}}),
    leases.Note("ticket-00000001-%s" % job, {"mode": "count", "count": 10**9}),
    leases.Note("ticket-00000002-%s" % job, {"mode": "chosen", "count": "x", "uuids": [["GPU-0000"], 1]}),
    leases.Note("ticket-00000003-%s" % job, {"mode": [], "count": 10**400, "exclude": {"a": 1}}),
]
print("put", flush=True)
sys.stdin.read()
"""


class Users:
    """A box with two GPUs and two users, each with programs, home and records of their own."""

    def __init__(self, root: Path, python: str) -> None:
        self.queue = root / "queue"
        self.queue.mkdir()
        self.queue.chmod(0o1777)
        shared = {"GPUBOX_QUEUE_DIR": str(self.queue)}
        self.ada, self.mallory = (
            Box(root / str(uid), python, {**shared, "GPUBOX_STATE_DIR": str(root / str(uid) / "state")}, uid)
            for uid in (ADA, MALLORY)
        )
        for box in (self.ada, self.mallory):
            box.gpus("", "")
            for path in (box.root, *box.root.rglob("*")):
                os.chown(path, box.uid or 0, box.uid or 0)

    def script(self, box: Box, text: str, *words: str) -> subprocess.Popen[str]:
        """Start a script beside the programs of a user."""
        return subprocess.Popen(
            [box.python, "-I", "-S", "-c", IMPORT + text, str(box.program), *words],
            env=box.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            user=box.uid,
            group=box.uid,
            extra_groups=[],
        )


@pytest.fixture
def users() -> Iterator[Users]:
    """Two users; their folders lie where both can go, which pytest's own does not allow."""
    if os.geteuid() != 0:
        pytest.skip("only root can become two other users")
    usable = [python for python in (*pythons().values(), "/usr/bin/python3") if _runs(python)]
    if not usable:
        pytest.skip("another user can run no Python of this machine")
    with tempfile.TemporaryDirectory(prefix="gpubox-users-") as folder:
        Path(folder).chmod(0o755)
        made = Users(Path(folder), usable[-1])
        yield made
        made.ada.close()
        made.mallory.close()


def _runs(python: str) -> bool:
    words = [python, "-I", "-S", "-c", "import ctypes, json"]
    try:
        return subprocess.run(words, user=ADA, group=ADA, extra_groups=[], check=False).returncode == 0
    except OSError:
        return False


def holding(box: Box, count: int, **spec: object) -> Record:
    """Launch a job that holds GPUs until it is stopped."""
    return box.launch("sleep", "100", gpus={"mode": "count", "count": count}, **spec)


def running(box: Box, job: str) -> Record:
    """Wait until a job runs."""
    return box.until(job, lambda record: record.state == "running")


def waiting(box: Box, job: str, words: str) -> str:
    """Wait until a job waits for what the words say."""
    return box.until(job, lambda record: record.state == "queued" and words in record.waits).waits


def stop(box: Box, job: str) -> None:
    """Stop a job and wait for its end."""
    box.ask("stop", id=job, by="ada")
    box.ended(job)


def test_a_gpu_that_somebody_else_has_is_waited_for_and_its_user_named(users: Users) -> None:
    first = holding(users.mallory, 2).id
    running(users.mallory, first)
    second = holding(users.ada, 2).id
    words = waiting(users.ada, second, "GPU 1: ")
    assert words == "2 free GPUs; " + "; ".join(f"GPU {n}: job {first} of user {MALLORY}" for n in (0, 1))
    assert [place.strangers for place in users.ada.list().gpus] == [(f"job {first} of user {MALLORY}",)] * 2
    assert not any(place.free or place.job for place in users.ada.list().gpus)
    stop(users.mallory, first)
    running(users.ada, second)


def test_who_came_first_goes_first_among_users_too(users: Users) -> None:
    first = holding(users.mallory, 1).id
    running(users.mallory, first)
    wide = holding(users.ada, 2).id
    waiting(users.ada, wide, "2 free GPUs")
    narrow = holding(users.mallory, 1).id
    waiting(users.mallory, narrow, f"1 free GPU after a job of user {ADA}; 1 job before it")
    stop(users.mallory, first)
    running(users.ada, wide)
    assert users.mallory.show(narrow).state == "queued"


def test_two_that_try_at_the_same_time_never_both_get_a_gpu(users: Users) -> None:
    marks = users.queue.parent / "marks"
    marks.mkdir()
    marks.chmod(0o777)
    contest = [users.script(box, CONTEST, f"{marks}/taken") for box in (users.ada, users.mallory, users.ada)]
    assert [one.communicate(timeout=4 * LIMIT)[0] for one in contest] == ["won\n"] * 3


def test_a_folder_that_somebody_else_made_in_our_name_splits_no_queue(users: Users) -> None:
    squat = users.queue / f"gpubox-queue-{ADA}"
    squat.mkdir()
    os.chown(squat, MALLORY, MALLORY)
    first = holding(users.ada, 2).id
    running(users.ada, first)
    squat.rmdir()
    second = holding(users.ada, 1).id
    waiting(users.ada, second, f"GPU 0: job {first}")
    third = holding(users.mallory, 1).id
    waiting(users.mallory, third, f"1 free GPU after a job of user {ADA}")
    assert users.mallory.list().gpus[0].strangers == (f"job {first} of user {ADA}",)
    squat.mkdir()
    os.chown(squat, MALLORY, MALLORY)
    squat.chmod(0o777)
    assert {place.job for place in users.ada.list().gpus} == {first}


def test_locks_of_somebody_else_on_our_notes_change_nothing(users: Users) -> None:
    first = holding(users.ada, 2).id
    running(users.ada, first)
    second = holding(users.ada, 2).id
    waiting(users.ada, second, first)
    with users.script(users.mallory, GRIP) as grip:
        assert grip.stdin
        assert grip.stdout
        assert int(grip.stdout.readline()) >= 3
        try:
            stop(users.ada, first)
            running(users.ada, second)
            stop(users.ada, second)
            assert all(place.free for place in users.ada.list().gpus)
        finally:
            grip.kill()


def test_nonsense_of_somebody_else_holds_nobody(users: Users) -> None:
    with users.script(users.mallory, NONSENSE, str(ADA)) as nonsense:
        assert nonsense.stdin
        assert nonsense.stdout
        try:
            assert nonsense.stdout.readline() == "put\n"
            running(users.ada, holding(users.ada, 2).id)
        finally:
            nonsense.kill()


def test_a_job_whose_supervisor_was_killed_keeps_its_gpus_from_everybody(users: Users) -> None:
    first = running(users.ada, holding(users.ada, 1).id)
    assert first.supervisor
    assert first.main
    kill(first.supervisor.pid)
    assert users.ada.show(first.id).orphaned
    waiting(users.ada, holding(users.ada, 2).id, f"GPU 0: job {first.id}")
    other = holding(users.mallory, 2).id
    waiting(users.mallory, other, f"2 free GPUs after a job of user {ADA}")
    assert [place.job for place in users.ada.list().gpus] == [first.id, ""]
    assert users.mallory.list().gpus[0].strangers == (f"job {first.id} of user {ADA}",)
    kill(first.main.pid)
    end = time.monotonic() + LIMIT
    while users.mallory.list().gpus[0].strangers == (f"job {first.id} of user {ADA}",):
        assert time.monotonic() < end


def test_one_that_does_not_wait_prefers_a_gpu_that_nobody_has(users: Users) -> None:
    first = running(users.ada, holding(users.ada, 1).id)
    second = running(users.mallory, holding(users.mallory, 1, now=True).id)
    assert {gpu.uuid for gpu in first.gpus}.isdisjoint({gpu.uuid for gpu in second.gpus})
    shared = running(users.mallory, holding(users.mallory, 1, now=True).id)
    stop(users.ada, first.id)
    stop(users.mallory, second.id)
    places = {place.uuid: place.free for place in users.ada.list().gpus}
    assert [uuid for uuid, free in places.items() if not free] == [gpu.uuid for gpu in shared.gpus]
