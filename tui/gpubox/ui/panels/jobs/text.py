"""A job in a few words: its state, how it ended, and what it used."""

from __future__ import annotations

import time
from typing import NamedTuple

from gpubox.common import units
from gpubox.core.job_outcome import how
from gpubox.core.record import ACTIVE, Record
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Tone, cut


class Phrase(NamedTuple):
    """A drawn state; the sign alone distinguishes it, without color."""

    sign: str
    words: str
    tone: Tone


_ACTIVE = {
    "queued": Phrase("◌", "waiting", "warn"),
    "starting": Phrase("▷", "starting", "accent"),
    "running": Phrase("▶", "running", "accent"),
    "stopping": Phrase("▽", "stopping", "warn"),
}


def active(record: Record) -> bool:
    """Return whether a job has not ended."""
    return record.state in ACTIVE


def phrase(record: Record) -> Phrase:
    """Return the state of a job."""
    if record.state in _ACTIVE:
        return _ACTIVE[record.state]
    ending = record.ending
    if ending is None:
        return Phrase("?", "ended", "muted")
    if ending.how == "exit":
        return Phrase("✔", "done", "util") if ending.code == 0 else Phrase("✖", "failed", "alarm")
    if ending.how == "stopped":
        return Phrase("■", "stopped", "muted")
    return Phrase("✖", "failed" if ending.how not in ("reboot", "lost") else "lost", "alarm")


def about(record: Record) -> str:
    """Return the note beside the state: how it ended, or what it waits for."""
    if record.state == "queued":
        place = "next" if not record.ahead else f"{record.ahead} before it"
        if record.spec.after and not record.waits:
            return f"{place} · after {clean(record.spec.after, 40)}"
        return f"{place} · needs {clean(record.waits, 200)}" if record.waits else place
    ending = record.ending
    if ending is None:
        return "without its supervisor" if record.orphaned else ""
    words = how(ending)
    more = ending.words if ending.how not in ("exit", "signal", "stopped", "limit") else ending.why
    if ending.how == "exec" and ending.why:  # where a login finds the program
        more = ending.why
    return f"{words}: {clean(more, 200)}" if more else words


def gpus(record: Record) -> str:
    """Return the GPUs of a job as indexes, or its request: `0,1`, `×2`, `all`, `CPU`."""
    if record.gpus:
        return ",".join(str(gpu.index) if gpu.index >= 0 else "?" for gpu in record.gpus)
    spec = record.spec.gpus
    match spec.mode:
        case "none":
            return "CPU"
        case "any":
            return "all"
        case "chosen":
            return f"×{len(spec.uuids)}"
        case _:
            return f"×{spec.count}"


def now(record: Record, seen: float | None = None) -> float:
    """Return the box's clock, from its newest sample, else from the record."""
    return max(record.now, seen or 0.0) or time.time()


def seconds(record: Record, at: float) -> float | None:
    """Return the seconds that a job has run, or waited while it is queued."""
    if record.state == "queued":
        return at - record.submitted
    if record.started is None:
        return None
    if record.usage is not None:
        return record.usage.real
    return (record.ended or at) - record.started


def name(record: Record) -> str:
    """Return the name of a job, else its command."""
    return clean(record.spec.name, 60) or command(record, 60)


def command(record: Record, most: int = 400) -> str:
    """Return its command as it was typed."""
    return clean(record.spec.command, most)


def greeting(record: Record) -> str:
    """Return the sentence for the start of a job: `train is running on GPU 1`."""
    where = f" on GPU {gpus(record)}" if record.gpus else ""
    more = f": {about(record)}" if record.state == "queued" or record.ending is not None else ""
    return f"{cut(name(record), 40)} is {phrase(record).words}{where}{more}"


def ended(record: Record) -> str:
    """Return how a job ended and after how long, in a few words; empty for an active job."""
    if record.ending is None:
        return ""
    took = seconds(record, record.ended or record.now)
    return how(record.ending) + (f" after {units.duration(took)}" if took is not None else "")


def farewell(record: Record) -> str:
    """Return the sentence for the end of a job: `train ended: exit 0 after 2h 03m on GPU 1`."""
    words = cut(about(record), 120) if record.ending is not None else "it is not known how"
    took = seconds(record, record.ended or record.now)
    after = f" after {units.duration(took)}" if took is not None else ""
    where = f" on GPU {gpus(record)}" if record.gpus else ""
    return f"{cut(name(record), 40)} ended: {words}{after}{where}"
