"""The tables of the history file, and what is asked of them; nothing here knows of threads or waits."""

from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from gpubox.core.errors import StoreError
from gpubox.core.history import SPAN, History
from gpubox.core.sanitize import clean
from gpubox.store import box_state

WIDTH = 10
"""Seconds that one row stands for."""
VERSION = 1
"""Version of the tables, kept in SQLite's user_version."""
PORTS = 1000
"""Tunnels whose port is remembered."""
RECENT = 50
"""Boxes remembered as last used."""
FAULTS = (sqlite3.Error, OSError, struct.error, msgspec.MsgspecError)
"""What a disk, SQLite or a row of another make can raise."""
_LAYOUTS = 64
"""Sets of series that one box may have in one run: a box that renames its GPUs all the time fills no disk."""

_TABLES = """
CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used REAL NOT NULL DEFAULT 0);
CREATE TABLE layout (id INTEGER PRIMARY KEY, series TEXT NOT NULL UNIQUE);
CREATE TABLE seen (
    box INTEGER NOT NULL REFERENCES box, second INTEGER NOT NULL,
    layout INTEGER NOT NULL REFERENCES layout, means BLOB NOT NULL,
    PRIMARY KEY (box, second)
) WITHOUT ROWID;
"""
# Made wherever it is missing: a program that does not know of it passes it over.
_PORTS = """
CREATE TABLE IF NOT EXISTS port (
    box TEXT NOT NULL, tunnel TEXT NOT NULL, port INTEGER NOT NULL, used REAL NOT NULL,
    PRIMARY KEY (box, tunnel)
) WITHOUT ROWID
"""
# One row for all series of a box: eight GPUs take 190 bytes a row and 11 MB a week; a row for each
# series would take six times that, and the last hour ten times as long to read.


class HistoryRow(NamedTuple):
    """The means of one box over WIDTH seconds."""

    box: str
    second: int
    means: Mapping[str, float]


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the file; raises StoreError when a newer version of this program made it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)  # names of boxes and when they were at work are nobody else's business
    connection = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    try:
        _version(connection, path)  # before anything is written: a newer file is left as it is
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        if _version(connection, path) == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute(_PORTS)
        for statement in box_state.TABLES:
            connection.execute(statement)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables, 0 for none; raises StoreError for a newer one."""
    version = cast("int", connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise StoreError(
            "History of another version",
            f"{path} was made by a newer gpubox-tui (version {version}, this one knows {VERSION})",
            "Update gpubox-tui; until then nothing is kept on disk",
        )
    return version


def told(error: Exception, path: Path) -> StoreError:
    """Return why the file cannot be used, and what to do."""
    words = clean(str(error), 160)
    if "locked" in words:
        hint = "Another program holds it; until it lets go, history is in memory only"
    elif "malformed" in words or "not a database" in words:
        hint = "Delete the file to begin anew; until then history is in memory only"
    else:
        hint = (
            "Until that is mended, history is in memory only; history.keep = false in the settings is quiet"
        )
    return StoreError("History is not kept on disk", f"{path}: {words}", hint)


def recent(connection: sqlite3.Connection) -> list[str]:
    """Return the names of boxes, last used first."""
    rows = connection.execute("SELECT name FROM box WHERE used > 0 ORDER BY used DESC LIMIT ?", (RECENT,))
    return [cast("str", name) for (name,) in rows]


def remember(connection: sqlite3.Connection, name: str) -> None:
    """Note that a box is used now."""
    with connection:
        connection.execute(
            "INSERT INTO box (name, used) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET used = ?2",
            (name, time.time()),
        )


def ports(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return the ports of this machine that tunnels had, by box and name of the tunnel."""
    rows = connection.execute("SELECT box, tunnel, port FROM port WHERE port BETWEEN 1 AND 65535")
    return {(box, tunnel): port for box, tunnel, port in cast("list[tuple[str, str, int]]", rows.fetchall())}


def keep_port(connection: sqlite3.Connection, box: str, tunnel: str, port: int) -> None:
    """Remember the port of a tunnel; the longest unused ones are forgotten."""
    with connection:
        connection.execute(
            "INSERT INTO port (box, tunnel, port, used) VALUES (?1, ?2, ?3, ?4) "
            "ON CONFLICT (box, tunnel) DO UPDATE SET port = ?3, used = ?4",
            (box, tunnel, port, time.time()),
        )
        connection.execute(
            "DELETE FROM port WHERE used < (SELECT used FROM port ORDER BY used DESC LIMIT 1 OFFSET ?)",
            (PORTS,),
        )


def last_hour(connection: sqlite3.Connection, box: str, now: int) -> History:
    """Return a history with the rows of the last hour."""
    rows = connection.execute(
        "SELECT second, series, means FROM seen JOIN layout ON layout.id = layout "
        "WHERE box = (SELECT id FROM box WHERE name = ?) AND second BETWEEN ? AND ? ORDER BY second",
        (box, now - SPAN, now),
    )
    history = History()
    layouts: dict[str, list[str]] = {}
    for second, text, means in cast("list[tuple[int, str, bytes]]", rows.fetchall()):
        series = layouts.get(text)
        if series is None:
            series = layouts[text] = msgspec.json.decode(text, type=list[str])
        history.fill(second, WIDTH, dict(zip(series, struct.unpack(f"<{len(series)}f", means), strict=True)))
    return history


def prune(connection: sqlite3.Connection, oldest: int) -> None:
    """Delete what is too old, one box at a time so that another window never waits long."""
    for (box,) in connection.execute("SELECT id FROM box").fetchall():
        with connection:
            connection.execute("DELETE FROM seen WHERE box = ? AND second < ?", (box, oldest))
    with connection:
        connection.execute(
            "DELETE FROM box WHERE NOT EXISTS (SELECT 1 FROM seen WHERE seen.box = box.id) "
            "AND id NOT IN (SELECT id FROM box WHERE used > 0 ORDER BY used DESC LIMIT ?)",
            (RECENT,),
        )


class Writer:
    """Puts rows into the file, and knows which sets of series are there already."""

    def __init__(self) -> None:
        self._layouts: dict[tuple[str, ...], int] = {}
        self._layouts_of: dict[str, int] = {}

    def insert(self, connection: sqlite3.Connection, rows: Sequence[HistoryRow]) -> None:
        """Put rows into the file, all or none; raises sqlite3.Error."""
        try:
            with connection:
                for row in rows:
                    self._insert_one(connection, row)
        except sqlite3.Error:
            self._layouts.clear()  # their rows went with the transaction
            raise

    def _insert_one(self, connection: sqlite3.Connection, row: HistoryRow) -> None:
        layout = self._layout(connection, row.box, tuple(row.means))
        if layout is None:
            return
        connection.execute("INSERT OR IGNORE INTO box (name) VALUES (?)", (row.box,))
        # A second window on the same box writes the same seconds: the first one stands.
        connection.execute(
            "INSERT OR IGNORE INTO seen SELECT id, ?, ?, ? FROM box WHERE name = ?",
            (row.second, layout, struct.pack(f"<{len(row.means)}f", *row.means.values()), row.box),
        )

    def _layout(self, connection: sqlite3.Connection, box: str, series: tuple[str, ...]) -> int | None:
        if (known := self._layouts.get(series)) is not None:
            return known
        count = self._layouts_of[box] = self._layouts_of.get(box, 0) + 1
        if count > _LAYOUTS:
            return None
        text = msgspec.json.encode(series).decode()
        connection.execute("INSERT OR IGNORE INTO layout (series) VALUES (?)", (text,))
        ((number,),) = connection.execute("SELECT id FROM layout WHERE series = ?", (text,))
        self._layouts[series] = cast("int", number)
        return self._layouts[series]
