"""Jobs as rows: state, environment, GPUs, time, what they kept busy, how they ended or what they await."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpubox.core import units
from gpubox.core.record import Record
from gpubox.core.text import clean
from gpubox.ui.widgets import job_words
from gpubox.ui.widgets.ink import Line, Span
from gpubox.ui.widgets.rows import Column, Rows
from gpubox.ui.widgets.trend import trend

_SPARK = 8
"""Cells of the curve in a row; two means each."""
_FIRST = {"running": 4, "stopping": 3, "starting": 3, "queued": 2}


@dataclass(frozen=True, slots=True)
class Row:
    """A job as it is listed."""

    record: Record
    marked: bool
    """Whether it was chosen to be compared or removed with others."""
    now: float
    """The box's clock."""

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return self.record.id


def order(row: Row) -> float:
    """Return what jobs are sorted by at first: those at work, those that wait by their turn, the newest."""
    record = row.record
    first = _FIRST.get(record.state, 0) * 1e12
    return first - record.ahead if record.state == "queued" else first + record.submitted


def matches(record: Record, words: Sequence[str]) -> bool:
    """Tell whether all words are in what a row says; they are in small letters."""
    wish = record.wish
    text = " ".join(
        (record.id, wish.name, wish.line or " ".join(wish.argv), wish.env, wish.cwd, wish.group, record.state)
    )
    text = f"{text} {job_words.phrase(record).words} {job_words.about(record)}".lower()
    return all(word in text for word in words)


def _name(row: Row) -> Line:
    mark = Span("◆ ", "label") if row.marked else Span("")
    return (mark, Span(job_words.name(row.record), "title" if job_words.active(row.record) else "text"))


def _state(row: Row) -> Line:
    sign, words, tone = job_words.phrase(row.record)
    return (Span(f"{sign} ", tone), Span(words, tone))


def _env(row: Row) -> str:
    return clean(row.record.wish.env, 40)


def _gpus(row: Row) -> Line:
    had = bool(row.record.gpus)
    return (Span(job_words.gpus(row.record), "text" if had else "muted"),)


def _time(row: Row) -> str:
    return units.duration(job_words.seconds(row.record, row.now))


def _spark(row: Row) -> Line:
    spark = row.record.spark
    if not spark:
        return (Span(""),)
    values: list[float | None] = [*spark[-2 * _SPARK :]]
    return trend(values, 1, 0, 100, "util" if job_words.active(row.record) else "calm")[0]


def _about(row: Row) -> Line:
    record = row.record
    tone = "muted" if record.ending is None or record.ending.how in ("exit", "stopped") else "text"
    return (Span(job_words.about(record), tone),)


def _ago(row: Row) -> str:
    return units.duration(row.now - row.record.submitted)


def _mean(record: Record) -> float:
    seen = [value for value in record.spark if value is not None]
    return sum(seen) / len(seen) if seen else -1.0


def _text(cell: Callable[[Row], str]) -> Callable[[Row], str]:
    return lambda row: cell(row).lower()


COLUMNS: Sequence[Column[Row]] = (
    Column("name", 14, _name, _text(lambda row: job_words.name(row.record)), left=True),
    Column("state", 10, _state, order, left=True, falling=True),
    Column("env", 8, _env, _text(_env), left=True, tone="muted", need=4),
    Column("gpu", 3, _gpus, lambda row: job_words.gpus(row.record)),
    Column("time", 7, _time, lambda row: job_words.seconds(row.record, row.now), falling=True),
    Column("busy", _SPARK, _spark, lambda row: _mean(row.record), left=True, falling=True, need=3),
    Column("about", 13, _about, _text(lambda row: job_words.about(row.record)), left=True, grows=True),
    Column("ago", 7, _ago, lambda row: row.record.submitted, falling=True, tone="muted", need=5),
)
"""The columns of the list."""


def summary(records: Sequence[Record], marked: int, table: Rows[Row], words: str) -> str:
    """Return what a list of jobs comes to, and how it is narrowed and sorted."""
    counts = (
        (sum(record.state == "queued" for record in records), "waiting"),
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
