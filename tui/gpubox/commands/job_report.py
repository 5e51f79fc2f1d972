"""Jobs of a box as lines for people or as JSON; pure functions."""

from __future__ import annotations

import time
from collections.abc import Sequence

from gpubox.boxes.jobs.backends import title_of
from gpubox.commands.output import plain
from gpubox.common.units import DASH, duration, percent, size
from gpubox.core.job_outcome import outcome
from gpubox.core.record import ACTIVE, GpuPlace, Record, exit_status
from gpubox.core.sanitize import aligned, clean

_HEAD = ("ID", "NAME", "STATE", "ENV", "GPUS", "TIME", "STARTED")
_LONGEST = 40
_WIDEST = 60
"""Most characters of a job's state in a list; `show` prints all of it."""


def rows(records: Sequence[Record]) -> list[str]:
    """Return jobs as aligned lines below a header."""
    table = [_HEAD, *map(_row, records)]
    return aligned(table)


def _row(record: Record) -> tuple[str, ...]:
    return (
        record.id,
        clean(record.spec.name or record.spec.command, _LONGEST),
        clean(state(record), _WIDEST),
        clean(record.spec.env, 24) or DASH,
        gpus(record),
        duration(_took(record)),
        _clock(record.started),
    )


def state(record: Record) -> str:
    """Return the state of a job or how it ended, in a few words."""
    if record.state == "queued":
        return f"queued, waits for {clean(record.waits, 200)}" if record.waits else "queued"
    if record.state in ACTIVE:
        return f"{record.state}, without its supervisor" if record.orphaned else record.state
    return outcome(record)


def why(record: Record) -> str:
    """Return the known cause of an ending, in parentheses after a blank; empty when unknown."""
    return f" ({clean(record.ending.why, 300)})" if record.ending and record.ending.why else ""


def gpus(record: Record) -> str:
    """Return the GPUs of a job, or how many it requests."""
    if record.gpus:
        return ",".join(str(gpu.index) if gpu.index >= 0 else clean(gpu.uuid, 60) for gpu in record.gpus)
    spec = record.spec.gpus
    match spec.mode:
        case "none":
            return "none"
        case "any":
            return "any"
        case "chosen":
            return f"{len(spec.uuids)} chosen"
        case _:
            return f"{spec.count} free" if record.started is None else f"×{spec.count}"


def _took(record: Record) -> float | None:
    if record.usage is not None:
        return record.usage.real
    if record.started is None:
        return None
    return (record.ended or record.now) - record.started


def _clock(at: float | None) -> str:
    return DASH if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def details(record: Record) -> list[str]:
    """Return the details of one job, one per line."""
    spec, usage = record.spec, record.usage
    facts = [
        ("job", record.id),
        ("name", clean(spec.name, 200)),
        ("state", state(record)),
        ("warning", clean(record.warning, 300)),
        ("why", clean(record.ending.why, 300) if record.ending else ""),
        ("core", clean(record.ending.core_file, 300) if record.ending else ""),
        ("command", clean(record.spec.command, 400)),
        ("folder", clean(record.cwd or spec.cwd or "~", 300)),
        ("environment", clean(f"{spec.env} ({spec.prefix})", 300) if spec.prefix else ""),
        ("login", "" if spec.login else "without its environment"),
        ("GPUs", gpus(record)),
        ("by", clean(spec.by, 100)),
        ("submitted", _clock(record.submitted)),
        ("started", _clock(record.started)),
        ("ended", _clock(record.ended)),
        ("for", duration(_took(record)) if usage is None else ""),
        (title_of(spec.backend), clean(record.queue_id, 40)),
        ("commit", clean(record.commit, 60)),
        ("record", clean(record.folder, 300)),
        ("log", size(record.log_bytes)),
    ]
    if usage is not None:
        # Below the floor the kernel's figure is that of the parent process.
        largest = size(usage.max_rss) if usage.max_rss > usage.floor else f"under {size(usage.floor)}"
        facts += [
            ("real", f"{usage.real:.2f} s"),
            ("user, system", f"{usage.user:.2f} s, {usage.sys:.2f} s ({percent(usage.cpu)} of a core)"),
            ("peak memory", f"{size(usage.peak_tree)}, all processes; {largest}, the largest process"),
        ]
    for gpu in record.gpus:
        energy = f", {gpu.energy:.0f} J" if gpu.energy is not None else ""
        used = f"{percent(gpu.mean_util)} used, {size(gpu.peak_memory)}{energy}"
        facts.append((f"GPU {gpu.index}", f"{clean(gpu.name, 60)}: {used}"))
        facts.append(("shared with", clean(", ".join(gpu.shared), 300)))
    facts += [("result", clean(path, 300)) for path in record.results]
    width = max(len(name) for name, _ in facts)
    return [f"{name:<{width}}  {text}" for name, text in facts if text and text != DASH]


def to_json(record: Record) -> dict[str, object]:
    """Return the JSON form of a record: every field, and the exit status that a shell would give."""
    found = plain(record)
    assert isinstance(found, dict)
    status = exit_status(record) if record.state == "ended" else None
    return {"exit_status": status, **found}


def place_to_json(place: GpuPlace) -> object:
    """Return the JSON form of a GPU of the queue."""
    return plain(place)
