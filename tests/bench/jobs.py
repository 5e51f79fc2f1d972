"""Jobs: how soon they start, how fast their logs come, what watching and waiting costs the box.

`python -m tests.bench.jobs` measures these alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

import msgspec

from gpubox.boxes.box import Box
from gpubox.boxes.envs.envs import Environments
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.spec_parsing import new_id
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import Record
from tests.bench import usage
from tests.bench.machine import Machine, machine
from tests.bench.table import Row, lines
from tests.bench.tunnels import saved
from tests.fake_nvml.build import build

GIB = 1 << 30
QUEUED = 200
_AT_ONCE = 8
"""Requests on one link at a time: sshd takes ten sessions of one connection."""


def spec(*argv: str, gpus: int = 0) -> JobSpec:
    """A job without any environment."""
    expected = GpuRequest(count=gpus) if gpus else GpuRequest(mode="none")
    return JobSpec(id=new_id(), argv=argv, gpus=expected, grace=1.0)


async def launching(panel: Box, times: int) -> list[Row]:
    """Measure from the spec to a record of a job that has started."""
    took: list[float] = []
    for _ in range(times + 1):
        began = time.monotonic()
        record = await panel.use(Jobs).box_backend.launch(spec("true"))
        took.append(time.monotonic() - began)
        assert record.started is not None
    what = "launch a job on the open link, until it has started"
    first = f"the very first, with the program sent: {took[0]:.2f} s"
    return [Row(what, "s", statistics.median(took[1:]), 0.2, note=first)]


async def following(box: Machine, panel: Box) -> list[Row]:
    """Measure how long 1 GiB of log takes to come, beside `ssh cat`."""
    line = "epoch 12 step 31200 loss 0.0123 accuracy 0.987 lr 3.0e-04 images/s 2841"
    script = f"yes '{line}' | head -c {GIB}"
    record = await ended(panel, await panel.use(Jobs).box_backend.launch(spec("sh", "-c", script)))
    assert record.usage is not None
    took: list[float] = []
    beside: list[float] = []
    for _ in range(2):
        beside.append(await _cat(box, f"{record.folder}/log"))
        began, size = time.monotonic(), 0
        async with panel.use(Jobs).box_backend.follow(record.id, 0) as stream:
            while piece := await stream.read():
                size += len(piece)
        took.append(time.monotonic() - began)
        assert size == GIB
    await panel.use(Jobs).box_backend.remove([record.id])
    wrote = f"the job wrote it in {record.usage.real:.1f} s, straight to its file"
    note = f"{GIB / 1e6 / min(took):.0f} MB/s; {wrote}"
    peers = {"ssh cat": min(beside)}
    target = GIB / 300e6
    why = (
        f"sshd, both ciphers and the reader share the cores; ssh cat gets {GIB / 1e6 / min(beside):.0f} MB/s"
    )
    return [Row("a log of 1 GiB, followed", "s", min(took), target, peers, note, why)]


async def _cat(box: Machine, path: str) -> float:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        "ssh", "-F", box.folder / "ssh_config", "-p", str(box.port), f"{box.user}@127.0.0.1", "cat", path,
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == 0
    return time.monotonic() - began


async def ended(panel: Box, record: Record) -> Record:
    """Return a job's record once it has ended."""
    async with asyncio.timeout(120):
        while record.state != "ended":
            await asyncio.sleep(0.1)
            record = await panel.use(Jobs).box_backend.show(record.id)
    return record


def parts(pid: int, name: str) -> float:
    """Return one sum of a process's memory in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(name + ":")) / 1024


def own_cpu(pids: Iterable[int]) -> float:
    """Return processor time of processes alone, in seconds."""
    spent = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


async def watching(panel: Box, seconds: float) -> list[Row]:
    """Measure what the supervisor and the sampler of a running job take."""
    busy = spec("sh", "-c", "sleep 1000 & sleep 1000 & sleep 1000 & wait", gpus=1)
    record = await panel.use(Jobs).box_backend.launch(msgspec.structs.replace(busy, now=True))
    async with asyncio.timeout(30):
        while record.state != "running" or not await _ticks(panel, record):
            await asyncio.sleep(0.2)
            record = await panel.use(Jobs).box_backend.show(record.id)
    assert record.supervisor is not None
    supervisor = record.supervisor.pid
    sampler = next(pid for pid in usage.family(supervisor) if b"gpu_sampler" in _command(pid))
    before = own_cpu([supervisor]), own_cpu([sampler])
    await asyncio.sleep(seconds)
    spent = own_cpu([supervisor]) - before[0], own_cpu([sampler]) - before[1]
    rows = [
        Row("supervisor of a running job: processor", "% of a core", 100 * spent[0] / seconds, 1.0),
        Row("supervisor of a running job: memory (PSS)", "MiB", parts(supervisor, "Pss"), 12.0,
            note=f"RSS {parts(supervisor, 'Rss'):.1f} MiB"),
        Row("sampler of a job with a GPU: processor", "% of a core", 100 * spent[1] / seconds, 1.0,
            note="NVML is a stand-in that answers at once; a real driver adds its own calls"),
        Row("sampler of a job with a GPU: memory (PSS)", "MiB", parts(sampler, "Pss"),
            note=f"RSS {parts(sampler, 'Rss'):.1f} MiB"),
        Row("seconds between two samples of a job", "s", await _apart(panel, record), 1.05,
            {"wandb, mlflow, dstack (their settings)": 10.0}),
    ]  # fmt: skip
    await panel.use(Jobs).box_backend.stop(record.id, "bench")
    await ended(panel, record)
    return rows


async def _apart(panel: Box, record: Record) -> float:
    """Return the median of the seconds between two samples."""
    ticks, _ = await panel.use(Jobs).box_backend.ticks(record.id)
    return statistics.median(after.t - tick.t for tick, after in itertools.pairwise(ticks))


async def _ticks(panel: Box, record: Record) -> bool:
    ticks, _ = await panel.use(Jobs).box_backend.ticks(record.id)
    return any(tick.gpus for tick in ticks)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def queueing(panel: Box, seconds: float) -> list[Row]:
    """Measure 200 jobs that wait for GPUs on which strangers are."""
    gate = asyncio.Semaphore(_AT_ONCE)
    supervised = panel.use(Jobs).box_backend

    async def launch() -> Record:
        async with gate:
            return await supervised.launch(spec("true", gpus=1))

    began = time.monotonic()
    records = await asyncio.gather(*(launch() for _ in range(QUEUED)))
    took = time.monotonic() - began
    async with asyncio.timeout(60):
        while not all(record.state == "queued" and record.supervisor for record in records):
            known = {record.id: record for record in await supervised.list()}
            records = [known[record.id] for record in records]
            await asyncio.sleep(0.2)
    waiting = [record.supervisor.pid for record in records if record.supervisor]
    await asyncio.sleep(3.0)  # what the launch cost is no cost of waiting
    before = own_cpu(waiting)
    await asyncio.sleep(seconds)
    spent = own_cpu(waiting) - before
    memory = sum(parts(pid, "Pss") for pid in waiting)
    began = time.monotonic()
    await supervised.list()
    listed = time.monotonic() - began
    await _stopped(panel, records)
    return [
        Row(f"queue {QUEUED} jobs over one link", "s", took, note=f"{1000 * took / QUEUED:.0f} ms each"),
        Row(f"{QUEUED} jobs in the queue: memory (PSS)", "MiB", memory,
            note=f"{memory / QUEUED:.1f} MiB each"),
        Row(f"{QUEUED} jobs in the queue: processor", "% of a core", 100 * spent / seconds, 5.0),
        Row("list them, with their places in the queue", "s", listed),
    ]  # fmt: skip


async def _stopped(panel: Box, records: Sequence[Record]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def stop(record: Record) -> None:
        async with gate:
            await panel.use(Jobs).box_backend.stop(record.id, "bench")

    await asyncio.gather(*(stop(record) for record in records))
    for record in records:
        await ended(panel, record)


_ENVIRONMENTS = """
import json, os, sys, time
sys.path.insert(0, sys.argv[1])
from gpubox.remote.envs import activate
took = []
for _ in range(20):
    began = time.perf_counter(); activate.activate(sys.argv[2], "conda")
    took.append(time.perf_counter() - began)
print(json.dumps(sorted(took)[10]))
"""


async def environments(box: Machine, panel: Box, times: int) -> list[Row]:
    """Measure a search for environments, and activating one without a script of its own."""
    home = Path(box.environment["HOME"])
    prefixes = [_environment(home / "miniforge3", number) for number in range(20)]
    found = await panel.use(Environments).find()
    assert len([env for env in found.envs if env.kind == "conda"]) >= len(prefixes)
    took: list[float] = []
    for _ in range(times):
        began = time.monotonic()
        await panel.use(Environments).find()
        took.append(time.monotonic() - began)
    folder = str(resources.files("gpubox").joinpath(".."))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ENVIRONMENTS, folder, prefixes[0]),
        stdout=asyncio.subprocess.PIPE,
        env=dict(box.environment),  # its use is noted below its home, which is not to be a user's
    )
    out, _ = await process.communicate()
    return [
        Row("find 20 conda environments, over the open link", "ms", 1000 * statistics.median(took), 200.0,
            note="with the start of Python; conda needs 640-850 for it on the box alone"),
        Row("activate an environment", "ms", 1000 * float(json.loads(out)), 10.0,
            note="conda activate needs 300-650, conda run 2,500-3,500"),
    ]  # fmt: skip


def _environment(root: Path, number: int) -> Path:
    """Make an environment as conda leaves it behind; the first call makes its root."""
    prefix = root / "envs" / f"env{number}"
    for place in (root, prefix):
        for name in ("conda-meta", "bin"):
            (place / name).mkdir(parents=True, exist_ok=True)
        (place / "conda-meta" / "history").touch()
        (place / "bin" / "python").unlink(missing_ok=True)
        (place / "bin" / "python").symlink_to(sys.executable)
        for package in ("python-3.11.9-h1_0", "numpy-1.26.4-py311h2_0", "pytorch-2.4.0-cuda124_0"):
            name, version, text = package.rsplit("-", 2)
            facts = {"name": name, "version": version, "build": text}
            (place / "conda-meta" / f"{package}.json").write_text(json.dumps(facts))
    (root / "bin" / "conda").touch(mode=0o755)
    return prefix


async def measure(box: Machine, times: int = 15, seconds: float = 20.0) -> list[Row]:
    """Measure everything about jobs on one box."""
    async with saved(box) as panel:
        return [
            *await launching(panel, times),
            *await following(box, panel),
            *await watching(panel, seconds),
            *await queueing(panel, seconds),
            *await environments(box, panel, times),
        ]


async def _alone() -> None:
    with tempfile.TemporaryDirectory(prefix="gpubox-bench-") as name:
        folder = Path(name)
        place = folder / "box"
        place.mkdir()
        async with machine(place, build(folder)) as box:
            print("\n".join(lines(await measure(box))))


if __name__ == "__main__":
    asyncio.run(_alone())
