"""Jobs as rows: state, environment, GPUs, time, load, and how they ended or what they wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpubox.boxes.jobs import wording
from gpubox.common import units
from gpubox.core.record import Record
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Line, Span
from gpubox.ui.draw.table import Column, Table
from gpubox.ui.draw.trend import trend
from gpubox.ui.panels.jobs.phrase import phrase

_SPARK = 8
"""Cells of the curve in a row; each shows two means."""
_FIRST = {"running": 4, "stopping": 3, "starting": 3, "queued": 2}


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job in the list."""

    record: Record
    marked: bool
    """Whether it is marked, to be compared or removed with others."""
    now: float
    """The box's clock."""

    @property
    def key(self) -> str:
        """Its unique key."""
        return self.record.id


def order(row: JobRow) -> float:
    """Return the default sort key: running jobs, queued jobs by their turn, then the newest."""
    record = row.record
    first = _FIRST.get(record.state, 0) * 1e12
    return first - record.ahead if record.state == "queued" else first + record.submitted


def matches(record: Record, words: Sequence[str]) -> bool:
    """Return whether a row contains all words, which are in lower case."""
    spec = record.spec
    text = " ".join((record.id, spec.name, spec.command, spec.env, spec.cwd, spec.group, record.state))
    text = f"{text} {phrase(record).words} {wording.about(record)}".lower()
    return all(word in text for word in words)


def _name(row: JobRow) -> Line:
    mark = Span("◆ ", "label") if row.marked else Span("")
    return (mark, Span(wording.name(row.record), "title" if wording.active(row.record) else "text"))


def _state(row: JobRow) -> Line:
    sign, words, tone = phrase(row.record)
    return (Span(f"{sign} ", tone), Span(words, tone))


def _env(row: JobRow) -> str:
    return clean(row.record.spec.env, 40)


def _gpus(row: JobRow) -> Line:
    had = bool(row.record.gpus)
    return (Span(wording.gpus(row.record), "text" if had else "muted"),)


def _time(row: JobRow) -> str:
    return units.duration(wording.seconds(row.record, row.now))


def _spark(row: JobRow) -> Line:
    spark = row.record.spark
    if not spark:
        return (Span(""),)
    values: list[float | None] = [*spark[-2 * _SPARK :]]
    return trend(values, 1, 0, 100, "util" if wording.active(row.record) else "calm")[0]


def _about(row: JobRow) -> Line:
    record = row.record
    tone = "muted" if record.ending is None or record.ending.how in ("exit", "stopped") else "text"
    return (Span(wording.about(record), tone),)


def _ago(row: JobRow) -> str:
    return units.duration(row.now - row.record.submitted)


def _mean(record: Record) -> float:
    seen = [value for value in record.spark if value is not None]
    return sum(seen) / len(seen) if seen else -1.0


def _text(cell: Callable[[JobRow], str]) -> Callable[[JobRow], str]:
    return lambda row: cell(row).lower()


COLUMNS: Sequence[Column[JobRow]] = (
    Column("name", 14, _name, _text(lambda row: wording.name(row.record)), left=True),
    Column("state", 10, _state, order, left=True, falling=True),
    Column("env", 8, _env, _text(_env), left=True, tone="muted", need=4),
    Column("gpu", 3, _gpus, lambda row: wording.gpus(row.record)),
    Column("time", 7, _time, lambda row: wording.seconds(row.record, row.now), falling=True),
    Column("busy", _SPARK, _spark, lambda row: _mean(row.record), left=True, falling=True, need=3),
    Column("about", 13, _about, _text(lambda row: wording.about(row.record)), left=True, grows=True),
    Column("ago", 7, _ago, lambda row: row.record.submitted, falling=True, tone="muted", need=5),
)
"""The columns of the list."""


def summary(records: Sequence[Record], marked: int, table: Table[JobRow], words: str) -> str:
    """Return the counts of a list of jobs, its filter and its sort column."""
    counts = (
        (sum(record.state == "queued" for record in records), "queued"),
        (sum(record.state in ("running", "starting", "stopping") for record in records), "running"),
        (marked, "marked"),
    )
    parts = [f"{count} {word}" for count, word in counts if count]
    if len(table.shown) < len(records):
        parts.append(f"{len(table.shown)} of {len(records)}")
    parts += [f"“{clean(words, 24)}”"] if words else []
    name, falling = table.sort
    if name != "state" and records:
        parts.append(f"by {name} {'▼' if falling else '▲'}")
    return " · ".join(parts)
