"""Jobs of a box that is not there: they do what a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from msgspec.structs import replace

from gpubox.boxes.box import Box
from gpubox.boxes.context import Feature
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.queue_view import QueueView
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import Ending, GpuPlace, GpuTick, GpuUse, Record, Tick, Usage
from tests.parts import GIB, NOW, UUID_1070, UUID_4090
from tests.ui.fake_logs import FakeLogs


def record(name: str, state: str = "running", **changes: object) -> Record:
    """A job of ten minutes on the second GPU."""
    spec = JobSpec(
        id=f"20261123-12{len(name):04d}-{name[:4]:x<4}",
        argv=("python", f"{name}.py"),
        line=f"python {name}.py --epochs 30",
        name=name,
        cwd="~/style",
        prefix="/home/ada/miniconda3/envs/tf-gpu",
        env="tf-gpu",
        kind="conda",
        gpus=GpuRequest(count=1),
        by="ada@laptop",
    )
    full = Record(
        id=spec.id,
        state=state,  # pyright: ignore[reportArgumentType] a test names one of them
        spec=spec,
        submitted=NOW - 640,
        started=NOW - 600,
        now=NOW,
        host="xub",
        user="ada",
        cwd="/home/ada/style",
        folder=f"/home/ada/.local/state/gpubox/xub/jobs/{spec.id}",
        gpus=(GpuUse(UUID_4090, 1, "NVIDIA GeForce RTX 4090", memory_total=24 * GIB),),
        log_bytes=1_310_000,
        spark=(10.0, 40.0, 75.0, 92.0, 95.0, 97.0, 96.0, 98.0, 97.0, 95.0),
    )
    return replace(full, **changes)


def ended(name: str, how: str = "exit", code: int | None = 0, **changes: object) -> Record:
    """A job that ended ten minutes after it began."""
    ending = Ending(how=how, code=code, **changes)  # pyright: ignore[reportArgumentType]
    return record(
        name,
        "ended",
        submitted=NOW - 4000,
        started=NOW - 3960,
        ended=NOW - 3360,
        ending=ending,
        usage=Usage(real=600.0, user=1130.0, sys=42.0, max_rss=3 * GIB, peak_tree=5 * GIB),
        gpus=(
            GpuUse(
                UUID_4090, 1, "NVIDIA GeForce RTX 4090", memory_total=24 * GIB, peak_memory=15 * GIB,
                mean_util=91.0, busy_util=95.0, max_temperature=71.0, mean_power=318.0, max_power=402.0,
                energy=190_800.0, energy_by="counter", mean_clock=2710.0, used=True,
            ),
        ),
    )  # fmt: skip


def queued(name: str, ahead: int = 0, **changes: object) -> Record:
    """A job that waits."""
    return record(
        name,
        "queued",
        started=None,
        submitted=NOW - 125,
        ahead=ahead,
        waits="1 free GPU; GPU 0: python (pid 812, bob, 642 MiB)",
        gpus=(),
        log_bytes=0,
        spark=(),
        **changes,
    )


RUNNING = record("train")
FAILED = ended("evaluate", code=3)
DONE = ended("prepare")
ABORTED = ended("crash", "signal", None, signal="ABRT", core=True, core_file="coredumpctl info 4711",
    why="the program wants AVX-512, which this CPU lacks")  # fmt: skip
STOPPED = ended("sweep", "stopped", None, signal="TERM", by="ada@laptop")
LATE = ended("slow", "limit", None, signal="TERM")
WAITING = queued("finetune", 1)
ALL = (WAITING, RUNNING, FAILED, ABORTED, STOPPED, LATE, DONE)
PLACES = (
    GpuPlace(UUID_1070, 0, "NVIDIA GeForce GTX 1070", False, strangers=("python (pid 812, bob, 642 MiB)",)),
    GpuPlace(UUID_4090, 1, "NVIDIA GeForce RTX 4090", False, job=RUNNING.id),
)


def busy(second: int) -> GpuTick:
    """The GPU of a job at one of its first seconds."""
    return GpuTick(UUID_4090, util=min(97.0, 7.0 * second), memory=second * GIB // 20, power=90.0 + second)


def ticks(count: int, gpu: bool = True) -> tuple[Tick, ...]:
    """The first seconds of a job: up, then busy."""
    return tuple(
        Tick(
            float(second), log=1000 * second, cpu=120.0, rss=2 * GIB, processes=3,
            gpus=(busy(second),) if gpu else (),
        )
        for second in range(count)
    )  # fmt: skip


class FakeJobs(FakeLogs, Feature):
    """Stands in for Jobs."""

    def __init__(self, *records: Record, places: Sequence[GpuPlace] = PLACES) -> None:
        super().__init__()
        self.feed: Feed[tuple[Record, ...]] = Feed(tuple(records))
        self.gpus: Feed[tuple[GpuPlace, ...]] = Feed(tuple(places))
        self.finished: Feed[tuple[Record, ...]] = Feed(())
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        self.looked = True
        self.past: tuple[str, ...] = ()
        self.backends = {"slurm": SimpleNamespace(queue=Feed[QueueView | None](None))}
        self.done: list[str] = []
        self.launched: list[JobSpec] = []
        self.seconds: tuple[Tick, ...] = ticks(60)
        self.watching = 0
        self.elsewhere = set[str]()
        """Ends that another window claimed."""

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        self._fail()
        return self.seconds[start:], len(self.seconds)

    async def look(self) -> None:
        self._fail()
        self.done.append("look")

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[None]:
        self.watching += 1
        try:
            yield
        finally:
            self.watching -= 1

    async def launch(self, spec: JobSpec) -> Record:
        self._fail()
        self.launched.append(spec)
        made = record(spec.name or "job", id=spec.id, spec=spec)
        self.feed.put((made, *self.feed.value))
        return made

    async def fetch(self, record: Record) -> Path:
        self._fail()
        self.done.append(f"fetch {record.id}")
        return Path("/results") / record.id

    async def stop(self, job: str) -> Record:
        self._fail()
        self.done.append(f"stop {job}")
        return self.put(job, state="stopping")

    async def remove(self, jobs: Sequence[str]) -> None:
        self._fail()
        self.done.append(f"remove {' '.join(jobs)}")
        self.feed.put(tuple(one for one in self.feed.value if one.id not in jobs))

    async def show(self, job: str) -> Record:
        self._fail()
        return next(one for one in self.feed.value if one.id == job)

    async def rerun(self, job: str) -> Record:
        self._fail()
        self.done.append(f"rerun {job}")
        self.feed.put((record("again"), *self.feed.value))
        return self.feed.value[0]

    def spec_again(self, record: Record) -> JobSpec:
        return replace(record.spec, id="20261123-140000-new1")

    async def history(self) -> tuple[str, ...]:
        return self.past

    async def claim_endings(self, jobs: Sequence[str]) -> set[str]:
        if jobs:
            self.done.append(f"told {' '.join(jobs)}")
            self.finished.put(tuple(one for one in self.finished.value if one.id not in jobs))
        return set(jobs) - self.elsewhere

    async def keep(self, *_: object) -> None:
        await asyncio.Event().wait()

    def put(self, job: str, **changes: object) -> Record:
        """Change what is known of a job."""
        self.feed.put(tuple(replace(one, **changes) if one.id == job else one for one in self.feed.value))
        return next(one for one in self.feed.value if one.id == job)


def employ(box: Box, jobs: FakeJobs) -> Box:
    """Give a box jobs that a test commands."""
    box.context.provide(Jobs, cast("Jobs", jobs))
    return box
