"""Jobs by a real Slurm of one node and one GPU that is none."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.jobs.slurm import Slurm
from gpubox.boxes.jobs.supervised import Supervised
from gpubox.boxes.jobs.wishes import new_id
from gpubox.core.doors import Doors
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import GpuWish, JobWish
from gpubox.core.record import Ending, Record
from gpubox.core.shell import Shell
from gpubox.local.doors import LocalDoors
from gpubox.local.shell import LocalShell
from tests.components.slurms import SlurmTest, slurm
from tests.remote.meters import waited

LIMIT = 40.0
ONE = GpuWish(count=1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmTest]:
    """A Slurm for all tests of this file."""
    with slurm(tmp_path_factory.mktemp("slurm") / "it") as made:
        yield made


@pytest.fixture
def backend(cluster: SlurmTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """The queue of this machine, with records in a folder of the test."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    return behind(tmp_path, monkeypatch)


def behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Whatever Slurm this machine's environment leads to."""
    for name in ("GPUBOX_STATE_DIR", "GPUBOX_QUEUE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    monkeypatch.setenv("SQUEUE_FORMAT", "%i only")
    shell = LocalShell()
    shells: Feed[Shell | None] = Feed(shell)
    doors: Feed[Doors | None] = Feed(LocalDoors(shell))
    return Slurm("box", Supervised("box", shells, doors))


def wish(line: str, **more: object) -> JobWish:
    """A job of one line for sh."""
    made = JobWish(id=new_id(), argv=("/bin/sh", "-c", line), backend="slurm", grace=1.0, by="ada@laptop")
    return msgspec.structs.replace(made, **more)


async def until(
    backend: Slurm, record: Record, condition: Callable[[Record], object], limit: float = LIMIT
) -> Record:
    """Return a job's record once it meets a condition."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        record = await backend.show(record.id)
        if condition(record):
            return record
        await asyncio.sleep(0.1)
    raise AssertionError(f"it never came: {record}")


async def ended(backend: Slurm, record: Record, limit: float = LIMIT) -> Ending:
    """Return how a job ended."""
    record = await until(backend, record, lambda record: record.state == "ended", limit)
    assert record.ending is not None
    return record.ending


async def log_of(backend: Slurm, record: Record) -> bytes:
    """Return all of a job's log by following it to its end."""
    data = b""
    async with backend.follow(record.id, 0) as stream:
        while piece := await stream.read():
            data += piece
    return data


async def test_two_jobs_share_one_gpu_one_after_the_other(backend: Slurm, tmp_path: Path) -> None:
    first = await backend.launch(
        wish(f"until [ -e {tmp_path}/go ]; do sleep 0.1; done", gpus=ONE, name="one")
    )
    await until(backend, first, lambda record: record.state == "running")
    second = await backend.launch(wish("echo $CUDA_VISIBLE_DEVICES", gpus=ONE, name="two"))
    waiting = await until(backend, second, lambda record: record.waits.startswith("free resources"))
    assert waiting.state == "queued"
    assert waiting.slurm.isdigit()
    view = await backend.look()
    assert view is not None
    assert [(row.name, row.state, row.gpus) for row in view.queue] == [
        ("two", "PENDING", 1),
        ("one", "RUNNING", 1),
    ]
    assert {row.job for row in view.queue} == {first.id, second.id}
    main, short = view.partitions
    assert (main.name, main.default, main.nodes, main.gpus, main.gpus_used) == ("main", True, 1, 1, 1)
    assert (short.name, short.limit, main.limit) == ("short", 600.0, None)
    (tmp_path / "go").touch()
    assert (await ended(backend, first)).code == 0
    assert (await ended(backend, second)).code == 0
    assert await log_of(backend, second) == b"0\n"
    record = await backend.show(first.id)
    assert record.usage is not None
    assert record.usage.peak_tree is not None


async def test_a_jobs_own_endings_are_told_as_ever(backend: Slurm) -> None:
    failed = await backend.launch(wish("echo so; exit 3"))
    aborted = await backend.launch(wish("kill -ABRT $$"))
    ending = await ended(backend, failed)
    assert (ending.how, ending.code) == ("exit", 3)
    ending = await ended(backend, aborted)
    assert (ending.how, ending.signal) == ("signal", "ABRT")
    assert await log_of(backend, failed) == b"so\n"


async def test_the_log_is_followed_while_it_grows(backend: Slurm, tmp_path: Path) -> None:
    record = await backend.launch(wish(f"echo one; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo two"))
    await until(backend, record, lambda record: record.log_bytes)
    async with backend.follow(record.id, 0) as stream:
        async with asyncio.timeout(LIMIT):
            assert await stream.read() == b"one\n"
            (tmp_path / "go").touch()
            assert await stream.read() == b"two\n"
            assert await stream.read() == b""


async def test_a_stop_ends_also_what_left_the_session(backend: Slurm, tmp_path: Path) -> None:
    line = (
        f"(setsid sh -c 'trap \"\" TERM; echo $$ >{tmp_path}/far; while :; do sleep 0.1; done' &) ; sleep 100"
    )
    record = await backend.launch(wish(line))
    await until(backend, record, lambda _: (tmp_path / "far").exists())
    await backend.stop(record.id, "ada@laptop")
    ending = await ended(backend, record)
    assert (ending.how, ending.by) == ("stopped", "ada@laptop")
    await gone(tmp_path / "far")


async def test_scancel_by_hand_is_told_and_ends_everything(
    backend: Slurm, cluster: SlurmTest, tmp_path: Path
) -> None:
    record = await backend.launch(wish(f"setsid sleep 100 & echo $! >{tmp_path}/far; wait"))
    record = await until(backend, record, lambda record: record.slurm and (tmp_path / "far").exists())
    cluster.run("scancel", record.slurm)
    ending = await ended(backend, record)
    assert (ending.how, ending.by) == ("stopped", "scancel")
    await gone(tmp_path / "far")


async def test_a_waiting_job_that_is_stopped_never_runs(backend: Slurm, cluster: SlurmTest) -> None:
    first = await backend.launch(wish("sleep 100", gpus=ONE))
    second = await backend.launch(wish("sleep 100", gpus=ONE))
    await until(backend, second, lambda record: record.state == "queued" and record.waits)
    await backend.stop(second.id, "ada@laptop")
    ending = await ended(backend, second)
    assert (ending.how, ending.by) == ("stopped", "ada@laptop")
    third = await backend.launch(wish("sleep 100", gpus=ONE))
    third = await until(backend, third, lambda record: record.slurm)
    cluster.run("scancel", third.slurm)
    ending = await ended(backend, third)
    assert (ending.how, ending.by) == ("stopped", "scancel")
    await backend.stop(first.id, "ada@laptop")
    await ended(backend, first)


async def test_our_time_limit_comes_before_slurms(backend: Slurm) -> None:
    record = await backend.launch(wish("sleep 100", limit=1.0, partition="short"))
    ending = await ended(backend, record)
    assert ending.how == "limit"


async def test_a_limit_longer_than_the_partitions_is_told(backend: Slurm) -> None:
    record = await backend.launch(wish("sleep 1", limit=36000.0, partition="short"))
    waiting = await until(backend, record, lambda record: record.waits)
    assert re.search("partition (does not )?allow", waiting.waits)
    await backend.stop(record.id, "ada@laptop")
    assert (await ended(backend, record)).how == "stopped"


async def test_a_job_that_outlives_its_supervisor_and_slurm_is_told_and_can_be_stopped(
    backend: Slurm, tmp_path: Path
) -> None:
    record = await backend.launch(wish(f"setsid sleep 100 & echo $! >{tmp_path}/far; wait"))
    record = await until(backend, record, lambda _: (tmp_path / "far").exists())
    record = await until(backend, record, lambda record: record.supervisor)
    assert record.supervisor
    os.kill(record.supervisor.pid, signal.SIGKILL)
    await until(backend, record, lambda record: record.orphaned)
    await backend.stop(record.id, "ada@laptop")
    ending = await ended(backend, record)
    assert (ending.how, ending.by) == ("stopped", "ada@laptop")
    await gone(tmp_path / "far")


async def test_a_node_that_fails_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own") as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        backend = behind(tmp_path, monkeypatch)
        record = await backend.launch(wish("sleep 100"))
        record = await until(backend, record, lambda record: record.state == "running" and record.slurm)
        node = made.run("sinfo", "-h", "-N", "-o", "%N").split()[0]
        made.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        ending = await ended(backend, record)
        assert ending.how == "slurm"
        assert ending.words == f"The node failed on {node}"
        assert (await backend.show(record.id)).usage


async def gone(file: Path) -> None:
    """Wait until the process that a file names is gone."""
    await asyncio.to_thread(lambda: waited(lambda: not alive(file)))


def alive(file: Path) -> bool:
    """Return whether the process that a file names still runs."""
    return Path("/proc", file.read_text().strip()).exists()


async def test_hostile_names_reach_slurm_as_harmless_ones_and_the_record_as_they_are(
    backend: Slurm, tmp_path: Path
) -> None:
    name = "-x $(touch bad) 'quo\"te\n; JobState=FAILED 🦊"
    folder = tmp_path / "-a $(touch bad) 'b\" c"
    folder.mkdir()
    argv = ("/bin/sh", "-c", 'pwd; printf %s "$1"', "sh", "$(touch bad) '\"\n-x 🦊")
    record = await backend.launch(wish("", name=name, argv=argv, cwd=str(folder)))
    assert (await ended(backend, record)).code == 0
    assert (await log_of(backend, record)).decode() == f"{folder}\n{argv[-1]}"
    assert (await backend.show(record.id)).wish.name == name
    assert "bad" not in os.listdir(tmp_path) + os.listdir(folder)


async def test_secrets_reach_the_job_and_no_disk(backend: Slurm, tmp_path: Path) -> None:
    secret = {"API_KEY": 'it\'s $HOME "secret"'}
    record = await backend.launch(wish('printf %s "$API_KEY"', environment=secret, hidden=("API_KEY",)))
    assert (await ended(backend, record)).code == 0
    assert (await log_of(backend, record)).decode() == secret["API_KEY"]
    for path in (tmp_path / "gpubox_state_dir").rglob("*"):
        if path.is_file() and path.name != "log":
            assert b"secret" not in path.read_bytes().replace(b"secretly", b""), path


async def test_the_same_job_sent_twice_runs_once(backend: Slurm, cluster: SlurmTest, tmp_path: Path) -> None:
    once = wish(f"echo ran >>{tmp_path}/ran; sleep 0.5")
    first, second = await backend.launch(once), await backend.launch(once)
    assert first.id == second.id
    assert first.slurm == second.slurm
    await ended(backend, first)
    (Path(first.folder) / "slurm").unlink()
    assert (await backend.launch(once)).state == "ended"
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_a_job_comes_after_another_and_not_after_one_that_failed(
    backend: Slurm, tmp_path: Path
) -> None:
    first = await backend.launch(wish(f"sleep 0.5; echo 1 >>{tmp_path}/order"))
    second = await backend.launch(wish(f"echo 2 >>{tmp_path}/order; exit 1", after=first.id))
    third = await backend.launch(wish(f"echo 3 >>{tmp_path}/order", after=second.id))
    assert (await ended(backend, second)).code == 1
    assert (await ended(backend, third)).how in ("stopped", "slurm")
    assert (tmp_path / "order").read_text() == "1\n2\n"


async def test_what_slurm_refuses_is_told_in_its_words_and_leaves_nothing(backend: Slurm) -> None:
    with pytest.raises(RemoteError, match="artition"):
        await backend.launch(wish("true", partition="nowhere"))
    with pytest.raises(RemoteError, match="cannot be one's name"):
        await backend.launch(wish("true", partition="a b; touch bad"))
    with pytest.raises(RemoteError, match="cannot name them"):
        await backend.launch(wish("true", gpus=GpuWish(mode="chosen", uuids=("GPU-1",))))
    assert await backend.list() == ()


async def test_a_dead_controller_costs_words_and_not_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own") as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        backend = behind(tmp_path, monkeypatch)
        monkeypatch.setattr("gpubox.boxes.jobs.slurm_shell.LIMIT", 1)
        record = await backend.launch(wish("sleep 100", gpus=ONE))
        waiting = await backend.launch(wish("sleep 100", gpus=ONE))
        await until(backend, record, lambda record: record.state == "running")
        await until(backend, waiting, lambda record: record.waits)
        made.end("slurmctld")
        records = {record.id: record for record in await backend.list()}
        assert records[record.id].state == "running"
        assert "ontact" in records[waiting.id].waits or "nothing" in records[waiting.id].waits
        assert backend.view.value is not None
        assert backend.view.value.trouble
        stopped = await backend._supervised.stop(record.id, "ada@laptop")
        assert stopped.state in ("stopping", "ended")
        made.begin("slurmctld")  # or nobody would take what is left of the job away


async def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: SlurmTest) -> tuple[Slurm, Record]:
    """Return a job that waited, was canceled by hand, and that Slurm no longer knows without accounting."""
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    backend = behind(tmp_path, monkeypatch)
    await backend.launch(wish("sleep 100", gpus=ONE))
    record = await backend.launch(wish("sleep 100", gpus=ONE))
    record = await until(backend, record, lambda record: record.waits and record.slurm)
    made.run("scancel", record.slurm)
    await asyncio.to_thread(lambda: waited(lambda: not known(made, record.slurm)))
    return backend, record


def known(made: SlurmTest, number: str) -> bool:
    """Return whether the controller still knows a job."""
    try:
        made.run("scontrol", "show", "job", number)
    except AssertionError:
        return False
    return True


async def test_a_job_that_slurm_forgot_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own", age=2) as made:
        backend, record = await forgotten(tmp_path, monkeypatch, made)
        assert (await backend.show(record.id)).state == "queued", "it may still come"
        monkeypatch.setattr("gpubox.boxes.jobs.slurm.FORGOTTEN", 0.0)
        ending = await ended(backend, record)
        assert (ending.how, ending.words) == ("slurm", f"Slurm no longer knows its job {record.slurm}")


async def test_accounting_is_asked_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own", age=2) as made:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("sbatch", "squeue", "sinfo", "scontrol", "scancel"):
            (folder / name).symlink_to(shutil.which(name) or "")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        cells = '"$n|CANCELLED by 1002|0:15|1763901200|Unknown|"'
        script = f"for n; do [ x$before != x-j ] || echo {cells}; before=$n; done"
        (folder / "sacct").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "sacct").chmod(0o755)
        backend, record = await forgotten(tmp_path, monkeypatch, made)
        ending = await ended(backend, record)
        assert (ending.how, ending.words) == ("stopped", "It was canceled by user 1002")


async def test_a_box_without_slurm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpubox.boxes.jobs.slurm_shell._FIND", "true")
    backend = behind(tmp_path, monkeypatch)
    assert not await backend.find()
    assert await backend.look() is None
    with pytest.raises(RemoteError, match="has no sbatch"):
        await backend.launch(wish("true"))
