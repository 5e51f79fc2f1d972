"""Writes means into the finest tier, computes the coarse tiers from it, and deletes what is too old."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from typing import Sequence, cast

from gpubox.common.tiers import COARSEST, FINEST, WIDTHS, Bounds, HistoryRow, coarser, decoded, raw_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

LATE = 60
"""Seconds after the end of an hour in which a slow disk may still get rows of it."""
_CHUNK = 6 * 3600
"""Seconds of one box whose rows are deleted together, so that other programs never wait long."""
_SPARED = 7200
"""Seconds before now whose rows are never deleted for size: the panel shows them."""
_LAYOUTS = 64
"""Most sets of series of one box per run: a box that keeps renaming its GPUs must not fill the disk."""


class Tiers:
    """Writes and tidies the tiers; it counts the sets of series that each box brings."""

    def __init__(self) -> None:
        self._layouts: set[tuple[str, ...]] = set()
        self._layouts_of: defaultdict[str, int] = defaultdict(int)

    def insert(self, connection: sqlite3.Connection, rows: Sequence[HistoryRow], width: int = FINEST) -> None:
        """Insert rows into a tier, all or none; those that are there stay. Raises sqlite3.Error."""
        with connection:
            for row in rows:
                connection.execute("INSERT OR IGNORE INTO box (name) VALUES (?)", (row.box,))
                self._insert(connection, width, row, limited=True)

    def tidy(self, connection: sqlite3.Connection, now: int, bounds: Bounds) -> bool:
        """Do one bounded step: roll up an hour of a box, or delete some rows that are too old or too many.

        Returns whether there may be more to do; raises sqlite3.Error.
        """
        names = cast("list[tuple[int, str]]", connection.execute("SELECT id, name FROM box").fetchall())
        if any(self._roll_up(connection, number, name, now) for number, name in names):
            return True
        if _delete_old(connection, [number for number, _ in names], now, bounds):
            return True
        if _delete_excess(connection, now, bounds.bytes):
            return True
        _forget_boxes(connection, bounds.boxes)
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
        rows = list(decoded(raw_rows(connection, FINEST, name, hour, hour + COARSEST - 1), broken))
        with connection:
            for width in WIDTHS[1:]:
                for second, means in coarser(rows, width):
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
        text = json.dumps(series, separators=(",", ":"), ensure_ascii=False)
        # The number is looked up each time: another program may have deleted the row in between.
        connection.execute("INSERT OR IGNORE INTO layout (series) VALUES (?)", (text,))
        ((number,),) = connection.execute("SELECT id FROM layout WHERE series = ?", (text,))
        return cast("int", number)


def _edge(connection: sqlite3.Connection, width: int, box: int, edge: str, where: str) -> int | None:
    """Return the first or last second of a box in a tier; a single index lookup."""
    ((second,),) = connection.execute(
        f"SELECT {edge}(second) FROM mean_{width} WHERE box = ? AND {where}", (box,)
    )
    return cast("int | None", second)


def _delete(connection: sqlite3.Connection, width: int, box: int, before: int) -> None:
    with connection:
        connection.execute(f"DELETE FROM mean_{width} WHERE box = ? AND second < ?", (box, before))


def _delete_old(connection: sqlite3.Connection, boxes: Sequence[int], now: int, bounds: Bounds) -> bool:
    for width in WIDTHS:
        oldest = now - bounds.days_of(width) * 86_400
        for box in boxes:
            first = _edge(connection, width, box, "min", f"second < {oldest}")
            if first is not None:
                _delete(connection, width, box, min(oldest, first + _CHUNK * width // FINEST))
                return True
    return False


def _delete_excess(connection: sqlite3.Connection, now: int, largest: int) -> bool:
    """Delete some of the oldest rows while the file is too large, those of the finest tier first."""
    pages, free, size = (
        cast("int", connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    if (pages - free) * size <= largest:
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


def _forget_boxes(connection: sqlite3.Connection, most: int) -> None:
    """Delete the names of boxes without history, except those last used, and the series that only they had.

    That looks at every row, which takes a second for the largest file; a box is forgotten once a year.
    """
    empty = " AND ".join(f"NOT EXISTS (SELECT 1 FROM mean_{width} WHERE box = box.id)" for width in WIDTHS)
    with connection:
        forgotten = connection.execute(
            f"DELETE FROM box WHERE {empty} "
            "AND id NOT IN (SELECT id FROM box WHERE used > 0 ORDER BY used DESC LIMIT ?)",
            (most,),
        )
        if forgotten.rowcount:
            used = " UNION ".join(f"SELECT layout FROM mean_{width}" for width in WIDTHS)
            connection.execute(f"DELETE FROM layout WHERE id NOT IN ({used})")
