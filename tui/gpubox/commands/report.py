"""A reading as lines for people or as one JSON object; pure functions."""

from __future__ import annotations

import time

import msgspec

from gpubox.common.severity import Severity
from gpubox.common.throttle import reasons
from gpubox.common.units import DASH, celsius, duration, percent, size, watts
from gpubox.core.errors import GpuBoxError
from gpubox.core.faults import explain, without_gpus
from gpubox.core.host import limits, without_size
from gpubox.core.json_text import json_text
from gpubox.core.sample import Fault, Gpu, Process, Sample, memory_share
from gpubox.core.sanitize import cells, clean

SCHEMA = 1
"""Version of the JSON that `status --json` prints; it grows with a change that breaks a reader."""
LONGEST_LINE = 1000
"""Characters of a line for people."""


class Words(msgspec.Struct, frozen=True):
    """An error in JSON."""

    title: str
    text: str
    hint: str


class BoxReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """One JSON object: either `sample` or `error` is there."""

    schema: int
    box: str
    time: float
    sample: Sample | None = None
    error: Words | None = None


def as_json(box: str, event: Sample | GpuBoxError) -> str:
    """Return one line of JSON for a sample or an error of a box."""
    if isinstance(event, Sample):
        reading = BoxReading(SCHEMA, box, event.time, sample=event)
    else:
        reading = BoxReading(SCHEMA, box, time.time(), error=Words(event.title, event.text, event.hint))
    return json_text(reading)


def as_lines(box: str, sample: Sample, width: int = 0, clock: str = "") -> list[str]:
    """Return a sample as aligned lines, each beginning with the box: the machine, its GPUs, its troubles."""
    head = f"{clock}{box}{' ' * (width - cells(box))}  "
    lines = [f"{head}host   {_host(sample)}"]
    lines += [f"{head}gpu {gpu.index:<2} {_gpu(gpu, sample.processes)}" for gpu in sample.gpus]
    lines += [
        f"{head}disk   {disk.mount}  {reason}  {disk.device} ({disk.filesystem})"
        for disk in sample.host.disks
        if (reason := without_size(disk))
    ]
    if without_gpus(sample):
        lines.append(f"{head}gpu    {explain(sample.faults[0]).title}")
    else:
        lines += [f"{head}fault  {_fault(fault)}" for fault in sample.faults]
    return [clean(line, LONGEST_LINE) for line in lines]


def _host(sample: Sample) -> str:
    host, driver = sample.host, sample.driver
    used = None
    if host.memory_total is not None and host.memory_available is not None:
        used = host.memory_total - host.memory_available
    parts = [
        f"cpu  {percent(host.cpu):>4}",
        f"mem {size(used):>5}/{size(host.memory_total):<5}",
        f"load {f'{host.load[0]:.2f}' if host.load else DASH:>5}",
        f"up {duration(host.uptime):<7}",
    ]
    parts += [f"limit of the container {most}"] if (most := limits(host)) else []
    parts += [host.distribution] if host.distribution else []
    parts += [f"driver {driver.version}"] if driver.version else []
    parts += [f"CUDA {driver.cuda}"] if driver.cuda else []
    parts += ["SIMULATED GPUs"] if driver.simulated else []
    return "  ".join(parts)


def _gpu(gpu: Gpu, processes: tuple[Process, ...]) -> str:
    name = gpu.name.removeprefix("NVIDIA ")
    if gpu.lost_at is not None:
        since = time.strftime("%H:%M:%S", time.localtime(gpu.lost_at))
        return f"LOST since {since}  {name}  {gpu.fault or ''}".rstrip()
    if gpu.fault and gpu.util is None:
        return f"FAILS  {name}  {gpu.fault}"
    share = memory_share(gpu.memory_used, gpu.memory_total)
    limit = f"/{watts(gpu.power_limit)}" if gpu.power_limit is not None else ""
    parts = [
        f"util {percent(gpu.util):>4}",
        f"mem {size(gpu.memory_used):>5}/{size(gpu.memory_total):<5} {percent(share):>4}",
        f"{celsius(gpu.temperature):>5}",
        f"fan {percent(gpu.fan):>4}",
        f"{watts(gpu.power) + limit:<9}",
        name,
    ]
    parts += ["SIMULATED"] if gpu.simulated else []
    parts += [reason.short for reason in reasons(gpu.throttle) if reason.severity >= Severity.WARNING]
    parts += [f"! {gpu.fault}"] if gpu.fault else []
    parts += _users(gpu, processes)
    return "  ".join(parts)


def _users(gpu: Gpu, processes: tuple[Process, ...]) -> list[str]:
    """Say who is on a GPU, the largest memory first: `ada 6.9G`."""
    memory: dict[str, int | None] = {}
    for process in processes:
        if process.gpu == gpu.index:
            user = process.user or "?"
            held = memory.get(user)
            memory[user] = held if process.gpu_memory is None else process.gpu_memory + (held or 0)
    ordered = sorted(memory.items(), key=lambda item: -(item[1] or 0))
    return [", ".join(f"{user} {size(used)}" for user, used in ordered)] if ordered else []


def _fault(fault: Fault) -> str:
    """Say a fault in one line; which paths were tried would fill it, the panel lists them."""
    error = explain(fault)
    return ". ".join(part for part in (error.title, clean(error.text, 160), error.hint) if part)
