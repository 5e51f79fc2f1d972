"""Jobs by a real Slurm of one node and one GPU that is none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.boxes.jobs.backends.slurm.backend import Slurm
from gpubox.core.errors import RemoteError
from gpubox.core.job import GpuRequest
from gpubox.core.record import exit_status
from tests.components.slurm_jobs import ONE, behind, ended, gone, log_of, spec, until
from tests.components.slurms import SlurmTest, slurm
from tests.hang import LIMIT


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
    return behind(tmp_path, monkeypatch, cluster.folder / "cache")


async def test_two_jobs_share_one_gpu_one_after_the_other(backend: Slurm, tmp_path: Path) -> None:
    first = await backend.launch(
        spec(f"until [ -e {tmp_path}/go ]; do sleep 0.1; done", gpus=ONE, name="one")
    )
    await until(backend, first, lambda record: record.state == "running")
    second = await backend.launch(spec("echo $CUDA_VISIBLE_DEVICES", gpus=ONE, name="two"))
    waiting = await until(backend, second, lambda record: record.waits.startswith("free resources"))
    assert waiting.state == "queued"
    assert waiting.queue_id.isdigit()
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


async def test_a_jobs_own_endings_are_reported_as_ever(backend: Slurm) -> None:
    failed = await backend.launch(spec("echo so; exit 3"))
    aborted = await backend.launch(spec("kill -ABRT $$"))
    ending = await ended(backend, failed)
    assert (ending.how, ending.code) == ("exit", 3)
    ending = await ended(backend, aborted)
    assert (ending.how, ending.signal) == ("signal", "ABRT")
    assert await log_of(backend, failed) == b"so\n"


async def test_the_log_is_followed_while_it_grows(backend: Slurm, tmp_path: Path) -> None:
    record = await backend.launch(spec(f"echo one; until [ -e {tmp_path}/go ]; do sleep 0.1; done; echo two"))
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
    record = await backend.launch(spec(line))
    await until(backend, record, lambda _: (tmp_path / "far").exists())
    await backend.stop(record.id, "ada@laptop")
    ending = await ended(backend, record)
    assert (ending.how, ending.by) == ("stopped", "ada@laptop")
    await gone(tmp_path / "far")


async def test_scancel_by_hand_is_reported_and_ends_everything(
    backend: Slurm, cluster: SlurmTest, tmp_path: Path
) -> None:
    record = await backend.launch(spec(f"setsid sleep 100 & echo $! >{tmp_path}/far; wait"))
    record = await until(backend, record, lambda record: record.queue_id and (tmp_path / "far").exists())
    cluster.run("scancel", record.queue_id)
    ending = await ended(backend, record)
    assert (ending.how, ending.by) == ("stopped", "scancel")
    await gone(tmp_path / "far")


@pytest.mark.parametrize(
    "line",
    [
        # Slurm has canceled it before its signal comes: the command is gone with status 0 by then.
        'echo >{0}/on; scancel "$SLURM_JOB_ID"; exit 0',
        'trap "exit 0" TERM; echo >{0}/on; while :; do sleep 0.05; done',
    ],
    ids=["before the signal", "upon the signal"],
)
async def test_a_canceled_job_that_exits_with_0_is_reported_as_canceled(
    backend: Slurm, cluster: SlurmTest, tmp_path: Path, line: str
) -> None:
    record = await backend.launch(spec(line.format(tmp_path)))
    record = await until(backend, record, lambda record: record.queue_id and (tmp_path / "on").exists())
    with contextlib.suppress(AssertionError):  # it may have done that itself
        cluster.run("scancel", record.queue_id)
    ending = await ended(backend, record)
    assert (ending.how, ending.by) == ("stopped", "scancel")
    assert exit_status(await backend.show(record.id)) != 0


async def test_a_waiting_job_that_is_stopped_never_runs(backend: Slurm, cluster: SlurmTest) -> None:
    first = await backend.launch(spec("sleep 100", gpus=ONE))
    second = await backend.launch(spec("sleep 100", gpus=ONE))
    await until(backend, second, lambda record: record.state == "queued" and record.waits)
    await backend.stop(second.id, "ada@laptop")
    ending = await ended(backend, second)
    assert (ending.how, ending.by) == ("stopped", "ada@laptop")
    third = await backend.launch(spec("sleep 100", gpus=ONE))
    third = await until(backend, third, lambda record: record.queue_id)
    cluster.run("scancel", third.queue_id)
    ending = await ended(backend, third)
    assert (ending.how, ending.by) == ("stopped", "scancel")
    await backend.stop(first.id, "ada@laptop")
    await ended(backend, first)


async def test_our_time_limit_comes_before_slurms(backend: Slurm) -> None:
    record = await backend.launch(spec("sleep 100", limit=1.0, options={"partition": "short"}))
    ending = await ended(backend, record)
    assert ending.how == "limit"


async def test_a_limit_longer_than_the_partitions_is_reported(backend: Slurm) -> None:
    record = await backend.launch(spec("sleep 1", limit=36000.0, options={"partition": "short"}))
    waiting = await until(backend, record, lambda record: record.waits)
    assert re.search("partition (does not )?allow", waiting.waits)
    await backend.stop(record.id, "ada@laptop")
    assert (await ended(backend, record)).how == "stopped"


async def test_a_job_that_outlives_its_supervisor_and_slurm_is_reported_and_can_be_stopped(
    backend: Slurm, tmp_path: Path
) -> None:
    record = await backend.launch(spec(f"setsid sleep 100 & echo $! >{tmp_path}/far; wait"))
    record = await until(backend, record, lambda _: (tmp_path / "far").exists())
    record = await until(backend, record, lambda record: record.supervisor)
    assert record.supervisor
    os.kill(record.supervisor.pid, signal.SIGKILL)
    await until(backend, record, lambda record: record.orphaned)
    await backend.stop(record.id, "ada@laptop")
    ending = await ended(backend, record)
    assert (ending.how, ending.by) == ("stopped", "ada@laptop")
    await gone(tmp_path / "far")


async def test_hostile_names_reach_slurm_as_harmless_ones_and_the_record_as_they_are(
    backend: Slurm, tmp_path: Path
) -> None:
    name = "-x $(touch bad) 'quo\"ta\n; JobState=FAILED 🦊"
    folder = tmp_path / "-a $(touch bad) 'b\" c"
    folder.mkdir()
    argv = ("/bin/sh", "-c", 'pwd; printf %s "$1"', "sh", "$(touch bad) '\"\n-x 🦊")
    record = await backend.launch(spec("", name=name, argv=argv, cwd=str(folder)))
    assert (await ended(backend, record)).code == 0
    assert (await log_of(backend, record)).decode() == f"{folder}\n{argv[-1]}"
    assert (await backend.show(record.id)).spec.name == name
    assert "bad" not in os.listdir(tmp_path) + os.listdir(folder)


async def test_secrets_reach_the_job_and_no_disk(backend: Slurm, tmp_path: Path) -> None:
    secret = {"API_KEY": 'it\'s $HOME "secret"'}
    record = await backend.launch(spec('printf %s "$API_KEY"', environment=secret, hidden=("API_KEY",)))
    assert (await ended(backend, record)).code == 0
    assert (await log_of(backend, record)).decode() == secret["API_KEY"]
    for path in (tmp_path / "gpubox_state_dir").rglob("*"):
        if path.is_file() and path.name != "log":
            assert b"secret" not in path.read_bytes().replace(b"secretly", b""), path


async def test_the_same_job_sent_twice_runs_once(backend: Slurm, cluster: SlurmTest, tmp_path: Path) -> None:
    once = spec(f"echo ran >>{tmp_path}/ran; sleep 0.5")
    first, second = await backend.launch(once), await backend.launch(once)
    assert first.id == second.id
    assert first.queue_id == second.queue_id
    await ended(backend, first)
    (Path(first.folder) / "queue_id").unlink()
    assert (await backend.launch(once)).state == "ended"
    assert (tmp_path / "ran").read_text() == "ran\n"


async def test_a_job_comes_after_another_and_not_after_one_that_failed(
    backend: Slurm, tmp_path: Path
) -> None:
    first = await backend.launch(spec(f"sleep 0.5; echo 1 >>{tmp_path}/order"))
    second = await backend.launch(spec(f"echo 2 >>{tmp_path}/order; exit 1", after=first.id))
    third = await backend.launch(spec(f"echo 3 >>{tmp_path}/order", after=second.id))
    assert (await ended(backend, second)).code == 1
    assert (await ended(backend, third)).how == "after"
    assert (tmp_path / "order").read_text() == "1\n2\n"


async def test_what_slurm_refuses_is_reported_in_its_words_and_leaves_nothing(backend: Slurm) -> None:
    with pytest.raises(RemoteError, match="artition"):
        await backend.launch(spec("true", options={"partition": "nowhere"}))
    with pytest.raises(RemoteError, match="cannot be one's name"):
        await backend.launch(spec("true", options={"partition": "a b; touch bad"}))
    with pytest.raises(RemoteError, match="cannot name them"):
        await backend.launch(spec("true", gpus=GpuRequest(mode="chosen", uuids=("GPU-1",))))
    assert await backend.list() == ()


async def test_gpus_are_counted_however_a_job_asked_for_them_and_a_drained_node_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own", gpus=8) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        backend = behind(tmp_path, monkeypatch)
        for options in ("--gpus=1", "--gpus-per-node=1", "--ntasks=2 --gpus-per-task=1", "--gres=gpu:1"):
            made.run("sbatch", *options.split(), "-o", "/dev/null", "--wrap", "sleep 100")
        made.run("sbatch", "--gpus=8", "-o", "/dev/null", "--wrap", "true")
        async with asyncio.timeout(LIMIT):
            while (  # noqa: ASYNC110  nobody else says that the controller has started them
                view := await backend.look()
            ) is None or view.partitions[0].gpus_used < 5:
                await asyncio.sleep(0.1)
        assert [row.gpus for row in sorted(view.queue, key=lambda row: int(row.id))] == [1, 1, 2, 1, 8]
        assert {(one.gpus, one.gpus_used) for one in view.partitions} == {(8, 5)}
        assert all(row.own for row in view.queue)
        node = made.run("sinfo", "-h", "-N", "-o", "%N").split()[0]
        made.run("scontrol", "update", f"nodename={node}", "state=drain", "reason=a fan is broken")
        view = await backend.look()
        assert view is not None
        assert view.partitions[0].reasons == (f"{node} draining: a fan is broken",)
