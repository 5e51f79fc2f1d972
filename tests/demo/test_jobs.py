"""Jobs on the demo box: they get a GPU that is simulated, load it, and end as they would elsewhere."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

from gpubox.boxes.box import Box
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.spec_parsing import new_id
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import Record
from tests.demo.watching import live, sample_with
from tests.hang import LIMIT

TRAIN = ("python", "train.py", "--epochs", "1")


async def record_of(box: Box, job: str, expected: Callable[[Record], bool]) -> Record:
    """Look until a job is as wanted."""
    jobs = box.use(Jobs)
    async with asyncio.timeout(LIMIT):
        while True:
            await jobs.look()
            for record in jobs.feed.value:
                if record.id == job and expected(record):
                    return record
            await asyncio.sleep(0.1)


async def test_a_job_gets_the_idle_gpu_loads_it_and_the_next_one_waits_for_it() -> None:
    async def watch(box: Box) -> None:
        jobs = box.use(Jobs)
        sample = await sample_with(box, lambda _: True)
        assert not sample.gpus[2].memory_used
        one = await jobs.launch(JobSpec(id=new_id(), argv=TRAIN, gpus=GpuRequest(count=1)))
        two = await jobs.launch(JobSpec(id=new_id(), argv=(*TRAIN[:2], "-h"), gpus=GpuRequest(count=1)))
        one = await record_of(box, one.id, lambda record: record.main is not None)
        assert one.main is not None
        pid = one.main.pid
        waiting = await record_of(box, two.id, lambda record: bool(record.waits))
        assert waiting.state == "queued"
        await sample_with(
            box, lambda sample: any((each.pid, each.gpu) == (pid, 2) for each in sample.processes)
        )
        await sample_with(box, lambda sample: bool(sample.gpus[2].memory_used))
        first = await record_of(box, one.id, lambda record: record.ending is not None)
        second = await record_of(box, two.id, lambda record: record.ending is not None)
        assert [record.ending and record.ending.code for record in (first, second)] == [0, 0]
        assert (first.ended or 0) <= (second.started or 0)
        (use,) = first.gpus
        assert (use.name, use.used, use.simulated) == ("NVIDIA GeForce RTX 3060", True, True)
        assert use.peak_memory
        assert use.busy_util
        assert not use.shared
        ticks, _ = await jobs.ticks(one.id, 0)
        assert max(gpu.util or 0 for tick in ticks for gpu in tick.gpus) > 10
        await sample_with(box, lambda sample: not sample.gpus[2].memory_used)

    await live(watch)


async def test_what_lies_in_the_home_runs_and_ends_as_it_says() -> None:
    async def watch(box: Box) -> None:
        jobs = box.use(Jobs)
        await sample_with(box, lambda _: True)
        none = GpuRequest(mode="none")
        trained = await jobs.launch(JobSpec(id=new_id(), argv=TRAIN, gpus=GpuRequest(count=1)))
        failed = await jobs.launch(
            JobSpec(id=new_id(), argv=("sh", "-c", "python diverge.py --pace 0.002"), gpus=none)
        )
        ended = await record_of(box, failed.id, lambda record: record.ending is not None)
        assert ended.ending is not None
        assert ended.ending.code == 134 or ended.ending.signal == signal.SIGABRT
        trained = await record_of(box, trained.id, lambda record: record.ending is not None)
        chunk = await jobs.page(trained.id, 0, 100_000)
        log = chunk.data.decode()
        assert "simulated" in log.splitlines()[0]
        assert "\repoch 1/1" in log
        assert "100%" in log
        home = Path(trained.cwd)
        assert json.loads((home / "checkpoint.json").read_text())["simulated"] is True

    await live(watch)
