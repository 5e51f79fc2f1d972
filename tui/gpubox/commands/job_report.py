"""Jobs of a box as lines for people or as JSON; pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.facts import JobFact, facts, gpu_figures, gpu_name, gpu_notes, times
from gpubox.commands.output import plain
from gpubox.common.units import DASH, duration
from gpubox.core.record import GpuPlace, Record, exit_status
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
        wording.name(record, _LONGEST),
        clean(wording.state_line(record), _WIDEST),
        clean(record.spec.env, 24) or DASH,
        wording.gpus(record),
        duration(wording.seconds(record)),
        wording.short_clock(record.started),
    )


def details(record: Record) -> list[str]:
    """Return what is known of one job, one fact per line."""
    known = facts(record) + (times(record.usage) if record.usage is not None else [])
    for gpu in record.gpus:
        known.append(JobFact(gpu_name(gpu), " · ".join(gpu_figures(gpu))))
        known += [JobFact("", note) for note in gpu_notes(gpu)]
    return aligned([fact for fact in known if fact.text])


def to_json(record: Record) -> dict[str, object]:
    """Return the JSON form of a record: every field, and the exit status that a shell would give."""
    found = plain(record)
    assert isinstance(found, dict)
    status = exit_status(record) if record.state == "ended" else None
    return {"exit_status": status, **found}


def place_to_json(place: GpuPlace) -> object:
    """Return the JSON form of a GPU of the queue."""
    return plain(place)
