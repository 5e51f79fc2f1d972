"""Stores means of every box in three widths, and computes the coarse ones from the fine ones."""

from __future__ import annotations

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, cast

import msgspec

from gpubox.store.box_state import RECENT

WIDTHS = (10, 300, 3600)
"""Seconds that a row of each tier covers; each divides the next."""
FINEST, COARSEST = WIDTHS[0], WIDTHS[-1]
LARGEST = 512 << 20
"""Bytes of the file; beyond them the oldest rows of the finest tier go first."""
LATE = 60
"""Seconds after the end of an hour in which a slow disk may still get rows of it."""
_DAYS = {300: 30, 3600: 365}
"""Days for which rows of a tier are stored; the settings decide for the finest one."""
_POINTS = 2200
"""Most rows of one answer: a week in steps of five minutes. Only the coarsest tier may return more."""
_CHUNK = 6 * 3600
"""Seconds of one box whose rows are deleted together, so that other programs never wait long."""
_SPARED = 7200
"""Seconds before now whose rows are never deleted for size: the panel shows them."""
_LAYOUTS = 64
"""Most sets of series of one box per run: a box that keeps renaming its GPUs must not fill the disk."""
_SERIES = 1024
"""Series of one coarse row."""


class HistoryRow(NamedTuple):
    """The means of one box over the width of a tier."""

    box: str
    second: int
    means: Mapping[str, float]


class HistorySpan(NamedTuple):
    """The history of a box over some time, oldest first; hours without a sample have no rows."""

    width: int
    """Seconds that each row covers."""
    rows: list[HistoryRow]

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


def days(width: int, finest: int) -> int:
    """Return the days for which rows of a tier are stored, given those of the finest."""
    return max(finest, _DAYS.get(width, finest))


def pick(begin: int, end: int, now: int, finest: int) -> int:
    """Return the width of the finest tier that reaches back to `begin` with a bounded number of rows."""
    fitting = (
        width
        for width in WIDTHS
        if (end - begin) / width <= _POINTS and now - begin <= days(width, finest) * 86_400
    )
    return next(fitting, COARSEST)


def read(connection: sqlite3.Connection, width: int, box: str, begin: int, end: int) -> list[HistoryRow]:
    """Return the rows of one tier that begin from `begin` to `end`; raises struct.error for a broken one."""
    return [HistoryRow(box, *row) for row in _decoded(_raw(connection, width, box, begin, end))]


def span(connection: sqlite3.Connection, width: int, box: str, begin: int, end: int) -> HistorySpan:
    """Return the history between two moments in rows of one width; raises struct.error for a broken row.

    Spans that are not rolled up yet are computed from the finest tier.
    """
    begin -= begin % width
    rows = read(connection, width, box, begin, end)
    if width != FINEST:
        rolled = rows[-1].second + width if rows else begin
        fine = read(connection, FINEST, box, rolled, end)
        means = _coarser([(row.second, row.means) for row in fine], width)
        rows += (HistoryRow(box, *one) for one in means)
    return HistorySpan(width, rows)


class Tiers:
    """Writes and tidies the tiers; it counts the sets of series that each box brings."""

    def __init__(self) -> None:
        self._layouts: set[tuple[str, ...]] = set()
        self._layouts_of: defaultdict[str, int] = defaultdict(int)

    def insert(self, connection: sqlite3.Connection, rows: Sequence[HistoryRow]) -> None:
        """Insert rows into the finest tier, all or none; raises sqlite3.Error."""
        with connection:
            for row in rows:
                connection.execute("INSERT OR IGNORE INTO box (name) VALUES (?)", (row.box,))
                self._insert(connection, FINEST, row, limited=True)

    def tidy(self, connection: sqlite3.Connection, now: int, finest: int) -> bool:
        """Do one bounded step: roll up an hour of a box, or delete some rows that are too old or too many.

        `finest` is the number of days for the finest tier. Returns whether there may be more to do; raises
        sqlite3.Error.
        """
        names = cast("list[tuple[int, str]]", connection.execute("SELECT id, name FROM box").fetchall())
        if any(self._roll_up(connection, number, name, now) for number, name in names):
            return True
        if _delete_old(connection, [number for number, _ in names], now, finest):
            return True
        if _delete_excess(connection, now):
            return True
        _forget_boxes(connection)
        return False

    def _roll_up(self, connection: sqlite3.Connection, number: int, name: str, now: int) -> bool:
        """Compute coarse rows for the oldest hour without them; return whether there was one."""
        done = _edge(connection, COARSEST, number, "max", f"second <= {now}")
        begin = 0 if done is None else done + COARSEST
        first = _edge(connection, FINEST, number, "min", f"second >= {begin}")
        if first is None:
            return False
        hour = first - first % COARSEST
        if hour + COARSEST + LATE > now:
            return False
        broken: list[int] = []
        rows = list(_decoded(_raw(connection, FINEST, name, hour, hour + COARSEST - 1), broken))
        with connection:
            for width in WIDTHS[1:]:
                for second, means in _coarser(rows, width):
                    self._insert(connection, width, HistoryRow(name, second, means), limited=False)
            connection.executemany(
                f"DELETE FROM mean_{FINEST} WHERE box = ? AND second = ?",
                [(number, second) for second in broken],
            )
        return True

    def _insert(self, connection: sqlite3.Connection, width: int, row: HistoryRow, *, limited: bool) -> None:
        layout = self._layout(connection, row.box, tuple(row.means), limited=limited)
        if layout is None:
            return
        # A second program that follows the same box writes the same seconds: the first row stays.
        connection.execute(
            f"INSERT OR IGNORE INTO mean_{width} SELECT id, ?, ?, ? FROM box WHERE name = ?",
            (row.second, layout, struct.pack(f"<{len(row.means)}f", *row.means.values()), row.box),
        )

    def _layout(
        self, connection: sqlite3.Connection, box: str, series: tuple[str, ...], *, limited: bool
    ) -> int | None:
        if series not in self._layouts:
            if limited and self._layouts_of[box] >= _LAYOUTS:
                return None
            self._layouts_of[box] += limited
            self._layouts.add(series)
        text = msgspec.json.encode(series).decode()
        # The number is looked up each time: another program may have deleted the row in between.
        connection.execute("INSERT OR IGNORE INTO layout (series) VALUES (?)", (text,))
        ((number,),) = connection.execute("SELECT id FROM layout WHERE series = ?", (text,))
        return cast("int", number)


Raw = tuple[int, str, bytes]
Means = tuple[int, Mapping[str, float]]


def _raw(connection: sqlite3.Connection, width: int, box: str, begin: int, end: int) -> list[Raw]:
    rows = connection.execute(
        f"SELECT second, series, means FROM mean_{width} JOIN layout ON layout.id = layout "
        "WHERE box = (SELECT id FROM box WHERE name = ?) AND second BETWEEN ? AND ? ORDER BY second",
        (box, begin, end),
    )
    return cast("list[Raw]", rows.fetchall())


def _decoded(rows: Sequence[Raw], broken: list[int] | None = None) -> Iterator[Means]:
    """Yield rows; the seconds of broken ones are added to `broken`, else the error is raised."""
    layouts: dict[str, list[str]] = {}
    for second, text, means in rows:
        try:
            series = layouts.get(text)
            if series is None:
                series = layouts[text] = msgspec.json.decode(text, type=list[str])
            values = struct.unpack(f"<{len(series)}f", means)
        except (struct.error, msgspec.MsgspecError):
            if broken is None:
                raise
            broken.append(second)
        else:
            yield second, dict(zip(series, values, strict=True))


def _coarser(rows: Sequence[Means], width: int) -> list[Means]:
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


def _edge(connection: sqlite3.Connection, width: int, box: int, edge: str, where: str) -> int | None:
    """Return the first or last second of a box in a tier; a single index lookup."""
    ((second,),) = connection.execute(
        f"SELECT {edge}(second) FROM mean_{width} WHERE box = ? AND {where}", (box,)
    )
    return cast("int | None", second)


def _delete(connection: sqlite3.Connection, width: int, box: int, before: int) -> None:
    with connection:
        connection.execute(f"DELETE FROM mean_{width} WHERE box = ? AND second < ?", (box, before))


def _delete_old(connection: sqlite3.Connection, boxes: Sequence[int], now: int, finest: int) -> bool:
    for width in WIDTHS:
        oldest = now - days(width, finest) * 86_400
        for box in boxes:
            first = _edge(connection, width, box, "min", f"second < {oldest}")
            if first is not None:
                _delete(connection, width, box, min(oldest, first + _CHUNK * width // FINEST))
                return True
    return False


def _delete_excess(connection: sqlite3.Connection, now: int) -> bool:
    """Delete some of the oldest rows while the file is too large, those of the finest tier first."""
    pages, free, size = (
        cast("int", connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    if (pages - free) * size <= LARGEST:
        return False
    for width in WIDTHS:
        row = connection.execute(
            "SELECT id, first FROM (SELECT id, "
            f"(SELECT min(second) FROM mean_{width} WHERE box = box.id) AS first FROM box) "
            "WHERE first < ? ORDER BY first LIMIT 1",
            (now - _SPARED,),
        ).fetchone()
        if row is not None:
            box, first = cast("tuple[int, int]", row)
            _delete(connection, width, box, min(now - _SPARED, first + _CHUNK * width // FINEST))
            return True
    return False


def _forget_boxes(connection: sqlite3.Connection) -> None:
    """Delete the names of boxes without history, except those last used, and the series that only they had.

    That looks at every row, which takes a second for the largest file; a box is forgotten once a year.
    """
    empty = " AND ".join(f"NOT EXISTS (SELECT 1 FROM mean_{width} WHERE box = box.id)" for width in WIDTHS)
    with connection:
        forgotten = connection.execute(
            f"DELETE FROM box WHERE {empty} "
            "AND id NOT IN (SELECT id FROM box WHERE used > 0 ORDER BY used DESC LIMIT ?)",
            (RECENT,),
        )
        if forgotten.rowcount:
            used = " UNION ".join(f"SELECT layout FROM mean_{width}" for width in WIDTHS)
            connection.execute(f"DELETE FROM layout WHERE id NOT IN ({used})")
