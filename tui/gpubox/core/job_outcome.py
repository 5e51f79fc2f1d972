"""How a job ended, in words, for every place that shows it; pure functions."""

from __future__ import annotations

from gpubox.core.record import Ending, Record
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


def succeeded(record: Record) -> bool:
    """Return whether a job ended by itself, with exit code 0."""
    ending = record.ending
    return ending is not None and ending.how == "exit" and ending.code == 0


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
        return f"still {record.state}" if record.state != "ended" else "not known"
    words = clean(ending.words, 200) if ending.how in _HOW or ending.how == "queue" else ""
    if words and ending.how in ("limit", "lost", "reboot"):  # a sentence that says it all
        return words[:1].lower() + words[1:]
    return f"{how(ending)}: {words}" if words else how(ending)
