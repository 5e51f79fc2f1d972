"""A reading as lines for people or as one JSON object; pure functions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec

from gpubox.common.metrics import DISK, GPU, HOST, host_memory_used
from gpubox.common.rules.driver import without_gpus
from gpubox.common.rules.rule import DEFAULTS, Finding, Limits
from gpubox.common.rules.table import evaluate, judge, judge_fault
from gpubox.common.series import readings
from gpubox.common.severity import Severity
from gpubox.common.units import DASH, celsius, duration, percent, size, watts
from gpubox.core.errors import GpuBoxError
from gpubox.core.host import limits as container_limits
from gpubox.core.host import without_size
from gpubox.core.json_text import json_text
from gpubox.core.sample import Gpu, Process, Sample, memory_share
from gpubox.core.sanitize import cells, clean

SCHEMA = 1
"""Version of the JSON that `status --json` prints; it grows with a change that breaks a reader."""
LONGEST_LINE = 1000
"""Characters of a line for people."""
_LONGEST_TEXT = 160
"""Characters of the text of a fault in a line."""


class Words(msgspec.Struct, frozen=True):
    """An error in JSON."""

    title: str
    text: str
    hint: str


class FoundWords(msgspec.Struct, frozen=True):
    """A finding in JSON."""

    severity: str
    """`info`, `warning` or `critical`."""
    code: str
    subject: str
    title: str
    text: str
    hint: str

    @classmethod
    def of(cls, finding: Finding) -> FoundWords:
        """Return a finding with its words cleaned, as all text of a box is."""
        words = map(clean, (finding.subject, finding.title, finding.text, finding.hint))
        return cls(finding.severity.word, finding.code, *words)


class BoxReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """One JSON object: either `sample` or `error` is there."""

    schema: int
    box: str
    time: float
    sample: Sample | None = None
    findings: list[FoundWords] | None = None
    metrics: Mapping[str, float] | None = None
    """By the keys of core.history."""
    error: Words | None = None


def as_json(box: str, event: Sample | GpuBoxError, limits: Limits = DEFAULTS) -> str:
    """Return one line of JSON for a sample and its findings, or for an error of a box.

    Temperatures are in Celsius, also in the texts of findings.
    """
    if isinstance(event, Sample):
        findings = evaluate(event, limits._replace(temperature_unit="celsius"))
        found = [FoundWords.of(finding) for finding in findings]
        metrics = {clean(key): value for key, value in readings(event)}
        reading = BoxReading(SCHEMA, box, event.time, sample=event, findings=found, metrics=metrics)
    else:
        reading = BoxReading(SCHEMA, box, time.time(), error=Words(event.title, event.text, event.hint))
    return json_text(reading)


def as_lines(
    box: str, sample: Sample, width: int = 0, clock: str = "", limits: Limits = DEFAULTS
) -> list[str]:
    """Return a sample as aligned lines, each beginning with the box: the host, its GPUs, its faults.

    Findings end the line that they are about; those of severity `info` are left out.
    """
    head = f"{clock}{box}{' ' * (width - cells(box))}  "
    lines = [f"{head}host   {_host(sample, limits)}"]
    lines += [f"{head}gpu {gpu.index:<2} {_gpu(gpu, sample.processes, limits)}" for gpu in sample.gpus]
    lines += [
        f"{head}disk   {disk.mount}  {reason}  {disk.device} ({disk.filesystem})"
        for disk in sample.host.disks
        if (reason := without_size(disk))
    ]
    gpuless = without_gpus(sample)
    for fault in sample.faults:
        found = judge_fault(fault, gpuless=gpuless)
        if gpuless:
            lines += [f"{head}gpu    {finding.title}" for finding in found]
            break
        lines += [f"{head}fault  {_sentence(finding)}" for finding in found]
    return [clean(line, LONGEST_LINE) for line in lines]


def _host(sample: Sample, limits: Limits) -> str:
    host, driver = sample.host, sample.driver
    used = host_memory_used(host)
    parts = [
        f"cpu  {percent(host.cpu):>4}",
        f"mem {size(used):>5}/{size(host.memory_total):<5}",
        f"load {f'{host.load[0]:.2f}' if host.load else DASH:>5}",
        f"up {duration(host.uptime):<7}",
    ]
    parts += [f"limit of the container {most}"] if (most := container_limits(host)) else []
    parts += [host.distribution] if host.distribution else []
    parts += [f"driver {driver.version}"] if driver.version else []
    parts += [f"CUDA {driver.cuda}"] if driver.cuda else []
    parts += ["SIMULATED GPUs"] if driver.simulated else []
    parts += _titles(judge(HOST, host, limits))
    for disk in host.disks:
        if not without_size(disk):
            parts += [f"{disk.mount} {title}" for title in _titles(judge(DISK, disk, limits))]
    return "  ".join(parts)


def _titles(findings: Sequence[Finding]) -> list[str]:
    """Return the titles of warnings and critical findings."""
    return [finding.title for finding in findings if finding.severity >= Severity.WARNING]


def _gpu(gpu: Gpu, processes: tuple[Process, ...], limits: Limits) -> str:
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
    parts += _titles(judge(GPU, gpu, limits))
    parts += _users(gpu, processes)
    return "  ".join(parts)


def _users(gpu: Gpu, processes: tuple[Process, ...]) -> list[str]:
    """Return the users of a GPU, the largest memory first: `ada 6.9G`."""
    memory: dict[str, int | None] = {}
    for process in processes:
        if process.gpu == gpu.index:
            user = process.user or "?"
            held = memory.get(user)
            memory[user] = held if process.gpu_memory is None else process.gpu_memory + (held or 0)
    ordered = sorted(memory.items(), key=lambda item: -(item[1] or 0))
    return [", ".join(f"{user} {size(used)}" for user, used in ordered)] if ordered else []


def _sentence(finding: Finding) -> str:
    """Return a finding as one line, without the tried paths: only the panel has room for them."""
    parts = (finding.title, clean(finding.text, _LONGEST_TEXT), finding.hint)
    return ". ".join(part for part in parts if part)
