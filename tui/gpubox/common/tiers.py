"""The layout of stored history: means of every box in three widths, and how they are read.

This machine keeps those of all its boxes so, and the service on a box its own.
"""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from itertools import islice
from typing import Iterator, List, Mapping, NamedTuple, Sequence, Tuple, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

WIDTHS = (10, 300, 3600)
"""Seconds that a row of each tier covers; each divides the next."""
FINEST, COARSEST = WIDTHS[0], WIDTHS[-1]
_POINTS = 2200
"""Most rows of one answer: a week in steps of five minutes. Only the coarsest tier may return more."""
_SERIES = 1024
"""Series of one coarse row."""

# One row for all series of a box: eight GPUs take 190 bytes a row and 11 MB a week; a row for each
# series would take six times that, and the last hour ten times as long to read.
TIER = """
CREATE TABLE mean_{width} (
    box INTEGER NOT NULL REFERENCES box, second INTEGER NOT NULL,
    layout INTEGER NOT NULL REFERENCES layout, means BLOB NOT NULL,
    PRIMARY KEY (box, second)
) WITHOUT ROWID
"""
"""Makes the table of a tier."""
BOXES = """
CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used REAL NOT NULL DEFAULT 0);
CREATE TABLE layout (id INTEGER PRIMARY KEY, series TEXT NOT NULL UNIQUE)
"""
"""Makes the tables that every tier refers to."""


class Bounds(NamedTuple):
    """How much is stored."""

    days: Tuple[int, int, int] = (7, 30, 365)
    """Days for which rows of each tier are stored; none has fewer than a finer one."""
    bytes: int = 512 << 20
    """Bytes of the file; beyond them the oldest rows of the finest tier go first."""
    boxes: int = 50
    """Boxes that are remembered without any row."""

    def days_of(self, width: int) -> int:
        """Return the days for which rows of a tier are stored."""
        return max(self.days[: WIDTHS.index(width) + 1])


class HistoryRow(NamedTuple):
    """The means of one box over the width of a tier."""

    box: str
    second: int
    means: Mapping[str, float]


class HistorySpan(NamedTuple):
    """The history of a box over some time, oldest first; hours without a sample have no rows."""

    width: int
    """Seconds that each row covers."""
    rows: List[HistoryRow]

    def window(self, key: str, now: float, seconds: int, points: int) -> list[float | None]:
        """Return `points` means over the last `seconds` before `now`, oldest first; see History.window."""
        dot = max(1, seconds // max(1, points))
        begin = (int(now) // dot + 1) * dot - points * dot
        sums, counts = [0.0] * points, [0] * points
        for row in self.rows:
            if (value := row.means.get(key)) is None:
                continue
            first = (row.second - begin) // dot
            end = max(first + 1, (row.second + self.width - begin) // dot)
            for place in range(max(0, first), min(points, end)):
                sums[place] += value
                counts[place] += 1
        return [total / count if count else None for total, count in zip(sums, counts, strict=True)]


def pick(begin: int, end: int, now: int, bounds: Bounds) -> int:
    """Return the width of the finest tier that reaches back to `begin` with a bounded number of rows."""
    fitting = (
        width
        for width in WIDTHS
        if (end - begin) / width <= _POINTS and now - begin <= bounds.days_of(width) * 86_400
    )
    return next(fitting, COARSEST)


def read(connection: sqlite3.Connection, width: int, box: str, begin: int, end: int) -> list[HistoryRow]:
    """Return the rows of one tier that begin from `begin` to `end`; raises struct.error for a broken one."""
    return [HistoryRow(box, *row) for row in decoded(raw_rows(connection, width, box, begin, end))]


def span(connection: sqlite3.Connection, width: int, box: str, begin: int, end: int) -> HistorySpan:
    """Return the history between two moments in rows of one width; raises struct.error for a broken row.

    Spans that are not rolled up yet are computed from the finest tier.
    """
    begin -= begin % width
    rows = read(connection, width, box, begin, end)
    if width != FINEST:
        rolled = rows[-1].second + width if rows else begin
        fine = read(connection, FINEST, box, rolled, end)
        means = coarser([(row.second, row.means) for row in fine], width)
        rows += (HistoryRow(box, *one) for one in means)
    return HistorySpan(width, rows)


Raw = Tuple[int, str, bytes]
Means = Tuple[int, Mapping[str, float]]


def raw_rows(connection: sqlite3.Connection, width: int, box: str, begin: int, end: int) -> list[Raw]:
    """Return the rows of one tier that begin from `begin` to `end`, as they are stored."""
    rows = connection.execute(
        f"SELECT second, series, means FROM mean_{width} JOIN layout ON layout.id = layout "
        "WHERE box = (SELECT id FROM box WHERE name = ?) AND second BETWEEN ? AND ? ORDER BY second",
        (box, begin, end),
    )
    return cast("list[Raw]", rows.fetchall())


def decoded(rows: Sequence[Raw], broken: list[int] | None = None) -> Iterator[Means]:
    """Yield rows; the seconds of broken ones are added to `broken`, else the error is raised."""
    layouts: dict[str, list[str]] = {}
    for second, text, means in rows:
        try:
            series = layouts.get(text)
            if series is None:
                series = layouts[text] = series_of(text)
            values = struct.unpack(f"<{len(series)}f", means)
        except struct.error:  # noqa: PERF203
            if broken is None:
                raise
            broken.append(second)
        else:
            yield second, dict(zip(series, values))


def series_of(text: str) -> List[str]:
    """Return the series of a layout; raises struct.error for a damaged one."""
    try:
        found = json.loads(text) if text.startswith('["') else None
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in cast("List[object]", found)):
        raise struct.error("a layout is no list of names")
    return cast("List[str]", found)


def coarser(rows: Sequence[Means], width: int) -> list[Means]:
    """Return the means of finer rows over a width; a series counts the rows that have it."""
    found: dict[int, defaultdict[str, list[float]]] = {}
    for second, means in rows:
        values = found.setdefault(second - second % width, defaultdict(list))
        for key, value in means.items():
            values[key].append(value)
    return [
        (second, {key: sum(one) / len(one) for key, one in islice(values.items(), _SERIES)})
        for second, values in sorted(found.items())
    ]
