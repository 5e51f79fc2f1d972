"""A job in words, safe to draw: its state, how it ended, its GPUs and its times.

Every place that shows a job takes them from here; for tables, a short form stands beside the full one.
"""

from __future__ import annotations

import time

from gpubox.common import units
from gpubox.core.job import GpuRequest
from gpubox.core.record import ACTIVE, Ending, Record
from gpubox.core.sanitize import clean

_HOW = {
    "limit": "time limit",
    "exec": "could not be started",
    "folder": "its folder could not be entered",
    "env": "its environment cannot be used",
    "gpus": "GPUs not available",
    "after": "the job before it did not succeed",
    "reboot": "the box rebooted",
    "lost": "its supervisor was killed",
}
"""Words for outcomes without an exit code; the box's own words are added where it gives some."""


def active(record: Record) -> bool:
    """Return whether a job has not ended."""
    return record.state in ACTIVE


def succeeded(record: Record) -> bool:
    """Return whether a job ended by itself, with exit code 0."""
    ending = record.ending
    return ending is not None and ending.how == "exit" and ending.code == 0


def name(record: Record, most: int = 60) -> str:
    """Return the name of a job, else its command."""
    return clean(record.spec.name or record.spec.command, most)


def command(record: Record, most: int = 400) -> str:
    """Return its command as it was typed."""
    return clean(record.spec.command, most)


def state(record: Record) -> str:
    """Return the state of a job in one word; for one that ended: `done`, `failed`, `stopped`, `lost`."""
    ending = record.ending
    if record.state != "ended" or ending is None:
        return record.state
    match ending.how:
        case "exit":
            return "done" if ending.code == 0 else "failed"
        case "stopped":
            return "stopped"
        case "reboot" | "lost":
            return "lost"
        case _:
            return "failed"


def how(ending: Ending) -> str:
    """Return how a job ended: `exit 3`, `ABRT, core dumped`, `stopped by ada@laptop`, `time limit`."""
    match ending.how:
        case "exit":
            return f"exit {ending.code if ending.code is not None else '?'}"
        case "signal":
            return f"{clean(ending.signal, 12) or 'a signal'}{', core dumped' if ending.core else ''}"
        case "stopped":
            return f"stopped by {clean(ending.by, 60)}" if ending.by else "stopped"
        case "queue":
            return f"ended by {clean(ending.by, 60) or 'its queue'}"
        case _:
            return _HOW[ending.how]


def outcome(record: Record) -> str:
    """Return how a job ended, with the box's own words, or `still running`."""
    ending = record.ending
    if ending is None:
        return f"still {record.state}" if active(record) else "outcome unknown"
    words = clean(ending.words, 200) if ending.how in _HOW or ending.how == "queue" else ""
    if words and ending.how in ("limit", "lost", "reboot"):  # a sentence that says it all
        return words[:1].lower() + words[1:]
    return f"{how(ending)}: {words}" if words else how(ending)


def about(record: Record) -> str:
    """Return the note beside the state: how and why it ended, or what it waits for."""
    if record.state == "queued":
        place = f"{record.ahead} before it" if record.ahead else "next"
        if record.waits:
            return f"{place} · waits for {clean(record.waits, 200)}"
        return f"{place} · after {clean(record.spec.after, 40)}" if record.spec.after else place
    if active(record):
        return "without its supervisor" if record.orphaned else ""
    why = clean(record.ending.why, 300) if record.ending is not None else ""
    if record.ending is not None and record.ending.how == "exec" and why:
        return f"{how(record.ending)}: {why}"  # it repeats the words, with where a login finds the program
    return f"{outcome(record)} ({why})" if why else outcome(record)


def state_line(record: Record) -> str:
    """Return the state with its note: `queued · next · waits for 1 free GPU`, `exit 3`; without the cause."""
    if not active(record):
        return outcome(record)
    return " · ".join(filter(None, (state(record), about(record))))


def gpus(record: Record) -> str:
    """Return the GPUs of a job as indexes, or its request, in a few cells: `0,1`, `×2`, `all`, `CPU`."""
    if record.gpus:
        return ",".join(str(gpu.index) if gpu.index >= 0 else "?" for gpu in record.gpus)
    request = record.spec.gpus
    match request.mode:
        case "none":
            return "CPU"
        case "any":
            return "all"
        case "chosen":
            return f"×{len(request.uuids)}"
        case "count":
            return f"×{request.count}"


def requested_gpus(request: GpuRequest) -> str:
    """Return the GPUs that a job requests, in full: `2 free`, `2 chosen`, `all`, `none`."""
    match request.mode:
        case "none":
            return "none"
        case "any":
            return "all"
        case "chosen":
            return f"{len(request.uuids)} chosen"
        case "count":
            return f"{request.count} free"


def gpus_in_full(record: Record) -> str:
    """Return the GPUs of a job as indexes, or by their ids where these are unknown; else its request."""
    if record.gpus:
        return ",".join(str(gpu.index) if gpu.index >= 0 else clean(gpu.uuid, 60) for gpu in record.gpus)
    if record.spec.gpus.mode == "count" and record.started is not None:
        return gpus(record)
    return requested_gpus(record.spec.gpus)


def now(record: Record, seen: float | None = None) -> float:
    """Return the box's clock, from its newest sample, else from the record."""
    return max(record.now, seen or 0.0) or time.time()


def seconds(record: Record, at: float | None = None) -> float | None:
    """Return the seconds that a job has run, or waited while it is queued, at a time of the box's clock."""
    at = now(record) if at is None else at
    if record.state == "queued":
        return at - record.submitted
    if record.started is None:
        return None
    if record.usage is not None:
        return record.usage.real
    return (record.ended or at) - record.started


def clock(at: float | None) -> str:
    """Return a time in full, `2026-11-23 12:00:01`; empty for None."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def short_clock(at: float | None) -> str:
    """Return a time to the minute, `2026-11-23 12:00`, or a dash."""
    return units.DASH if at is None else clock(at)[:-3]


def ended(record: Record) -> str:
    """Return how a job ended and after how long, in a few words; empty for an active job."""
    return f"{how(record.ending)}{_after(record)}" if record.ending is not None else ""


def state_sentence(record: Record) -> str:
    """Return the sentence for the start of a job: `train is running on GPU 1`."""
    more = f": {about(record)}" if record.state == "queued" or record.ending is not None else ""
    return f"{name(record, 40)} is {state(record)}{on_gpus(record)}{more}"


def ending_sentence(record: Record) -> str:
    """Return the sentence for the end of a job: `train ended: exit 0 after 2h 03m on GPU 1`."""
    return f"{name(record, 40)} ended: {clean(about(record), 120)}{_after(record)}{on_gpus(record)}"


def on_gpus(record: Record) -> str:
    """Return ` on GPU 1` for a job that has one, else nothing."""
    return f" on GPU {gpus(record)}" if record.gpus else ""


def _after(record: Record) -> str:
    took = seconds(record, record.ended or record.now)
    return f" after {units.duration(took)}" if took is not None else ""
