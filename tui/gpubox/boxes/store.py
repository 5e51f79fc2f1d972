"""What was seen, on this machine's disk: means over ten seconds of every box, and the boxes last used."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

import msgspec

from gpubox.config.places import APP
from gpubox.config.settings import HistorySettings, Settings
from gpubox.core.errors import GpuBoxError, StoreError
from gpubox.core.feed import Feed
from gpubox.core.history import SPAN, History
from gpubox.core.text import clean

if TYPE_CHECKING:
    from gpubox.boxes.box import Target

WIDTH = 10
"""Seconds that one row stands for."""
VERSION = 1
"""Version of the tables, kept in SQLite's user_version."""
RECENT = 50
"""Boxes remembered as last used."""
_LAYOUTS = 64
"""Sets of series that one box may have in one run: a box that renames its GPUs all the time fills no disk."""
_PENDING = 10_000
"""Rows that wait for a slow disk; more are dropped."""
_PRUNE_EVERY = 3600.0

_TABLES = """
CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used REAL NOT NULL DEFAULT 0);
CREATE TABLE layout (id INTEGER PRIMARY KEY, series TEXT NOT NULL UNIQUE);
CREATE TABLE seen (
    box INTEGER NOT NULL REFERENCES box, second INTEGER NOT NULL,
    layout INTEGER NOT NULL REFERENCES layout, means BLOB NOT NULL,
    PRIMARY KEY (box, second)
) WITHOUT ROWID;
"""
# One row for all series of a box: eight GPUs take 190 bytes a row and 11 MB a week; a row for each
# series would take six times that, and the last hour ten times as long to read.

_FAULTS = (sqlite3.Error, OSError, struct.error, msgspec.MsgspecError)
"""What a disk, SQLite or a row of another make can raise."""

T = TypeVar("T")


class Row(NamedTuple):
    """The means of one box over ten seconds."""

    box: str
    second: int
    means: Mapping[str, float]


def default_path() -> Path:
    """Return where the history lies on this system."""
    from platformdirs import user_state_path

    return user_state_path(APP) / "history.sqlite"


class Store:
    """The history file; several windows may have it open at once.

    Nothing here raises for a bad disk: the trouble is told in `trouble`, and the program goes on without.
    """

    def __init__(self, path: Path, settings: HistorySettings) -> None:
        self.path = path
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """Why nothing is kept, or None."""
        self._settings = settings
        self._lock = threading.Lock()
        """One thread at a time: a cancelled wait leaves its thread at work."""
        self._pending: list[Row] = []
        self._writing = False
        self._pruned_at: float | None = None
        self._layouts: dict[tuple[str, ...], int] = {}
        self._layouts_of: dict[str, int] = {}
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = _connect(path)
        except StoreError as error:
            self.trouble.put(error)
        except _FAULTS as error:
            self.trouble.put(_told(error, path))

    @classmethod
    def open(cls, settings: Settings, path: Path | None = None) -> Store:
        """Return the store that settings ask for; it never raises: what is wrong stands in `trouble`."""
        return cls(path or default_path(), settings.history)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what comes later is not kept."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def recent(self) -> list[str]:
        """Return the names of boxes, last used first."""
        return self._now(_recent) or []

    def remember(self, target: Target) -> None:
        """Note that a box is used now."""
        self._now(lambda connection: _remember(connection, target.name))

    async def load(self, box: str, history: History) -> None:
        """Begin a box's history with what the disk has of the last hour; takes 20 ms for eight GPUs."""
        now = int(time.time())
        read = await self._later(lambda connection: _last_hour(connection, box, now))
        if read is not None and read.keys():
            history.take(read)

    async def keep(self, box: str, history: History) -> None:
        """Write the means of a box's history every ten seconds, until cancelled."""
        if not self._settings.keep or self._connection is None:
            return
        while True:
            # All boxes wake at the same moments and go to the disk in one transaction.
            await asyncio.sleep(WIDTH - time.time() % WIDTH + 0.05)
            second = (int(time.time()) // WIDTH - 1) * WIDTH
            if means := history.means(second, WIDTH):
                await self.write(Row(box, second, means))

    async def write(self, row: Row) -> None:
        """Put a row on disk, together with those that came while the disk was busy."""
        if len(self._pending) < _PENDING:
            self._pending.append(row)
        if self._writing:
            return
        self._writing = True
        try:
            while self._pending:
                rows, self._pending = self._pending, []
                await self._later(lambda connection, rows=rows: self._insert(connection, rows))
        finally:
            self._writing = False
        await self._prune_sometimes()

    async def _prune_sometimes(self) -> None:
        now = time.monotonic()
        if self._pruned_at is None or now - self._pruned_at > _PRUNE_EVERY:
            self._pruned_at = now
            oldest = int(time.time()) - self._settings.days * 86_400
            await self._later(lambda connection: _prune(connection, oldest))

    def _now(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something quick with the file, or tell why not; None stands for not done."""
        return self._tell(*self._attempt(work))

    async def _later(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something with the file in a thread, or tell why not; None stands for not done."""
        return self._tell(*await asyncio.to_thread(self._attempt, work))

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> tuple[T | None, GpuBoxError | None]:
        with self._lock:
            if self._connection is None:
                return None, self.trouble.value
            try:
                return work(self._connection), None
            except _FAULTS as error:
                return None, _told(error, self.path)

    def _tell(self, done: T | None, trouble: GpuBoxError | None) -> T | None:
        if trouble is not self.trouble.value:
            self.trouble.put(trouble)
        return done

    def _insert(self, connection: sqlite3.Connection, rows: list[Row]) -> None:
        try:
            with connection:
                for row in rows:
                    self._insert_one(connection, row)
        except sqlite3.Error:
            self._layouts.clear()  # their rows went with the transaction
            raise

    def _insert_one(self, connection: sqlite3.Connection, row: Row) -> None:
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


def _connect(path: Path) -> sqlite3.Connection:
    """Open or make the file; raises StoreError when a newer version of this program made it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)  # names of boxes and when they were at work are nobody else's business
    connection = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        ((version,),) = connection.execute("PRAGMA user_version")
        if version > VERSION:
            raise StoreError(
                "History of another version",
                f"{path} was made by a newer gpubox-tui (version {version}, this one knows {VERSION})",
                "Update gpubox-tui; until then nothing is kept on disk",
            )
        if version == 0:
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _told(error: Exception, path: Path) -> StoreError:
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


def _recent(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM box WHERE used > 0 ORDER BY used DESC LIMIT ?", (RECENT,))
    return [cast("str", name) for (name,) in rows]


def _remember(connection: sqlite3.Connection, name: str) -> None:
    with connection:
        connection.execute(
            "INSERT INTO box (name, used) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET used = ?2",
            (name, time.time()),
        )


def _last_hour(connection: sqlite3.Connection, box: str, now: int) -> History:
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


def _prune(connection: sqlite3.Connection, oldest: int) -> None:
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
