"""Stores the alerts of each box, what is muted, and what its rules remember.

A row that was not cleared is an active alert; several running programs share it, and only the one that made
or cleared it announces that.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from gpubox.common.alerts.alert import Alert
from gpubox.store.migrations import migrate

MOST = 500
"""Most alerts that are stored of each box."""
T = TypeVar("T")


class AlertRecord(NamedTuple):
    """One alert of the past or of now."""

    number: int
    """Grows with each alert."""
    alert: Alert
    cleared: float | None = None
    """When it was cleared, in seconds since the epoch; None while it is active."""
    acknowledged: float | None = None
    """When it was acknowledged."""
    test: bool = False
    """Whether it was only a test of how alerts are announced."""


class Calls(Protocol):
    """Runs work on a database: Database, or one in memory."""

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what work returns; None when the disk failed."""
        ...


class MemoryDatabase:
    """A database for a box without a store; it ends with the program."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        migrate(self._connection, Path(":memory:"))

    async def call(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what work returns."""
        return work(self._connection)

    def __del__(self) -> None:
        self._connection.close()


class StoredAlerts:
    """The alerts of all boxes. On a bad disk writes are lost and reads are empty."""

    def __init__(self, database: Calls | None = None) -> None:
        self._database = database or MemoryDatabase()

    async def add(self, box: str, alert: Alert, *, test: bool = False) -> bool:
        """Record that an alert was raised; False where another program has recorded it.

        A test is recorded as cleared. When the disk does not answer it is True: two announcements are better
        than none.
        """
        return await self._database.call(lambda at: _add(at, box, alert, test)) is not False

    async def clear(self, box: str, key: str, now: float) -> bool:
        """Record that an alert was cleared; False where another program has, or the disk does not answer."""
        return await self._database.call(lambda at: _clear(at, box, key, now)) or False

    async def acknowledge(self, box: str, key: str, now: float) -> bool:
        """Record that an active alert was seen; False where there is none, or where it was before."""
        return await self._database.call(lambda at: _acknowledge(at, box, key, now)) or False

    async def records(self, box: str) -> list[AlertRecord] | None:
        """Return the alerts of a box, the newest first; None when the disk does not answer."""
        return await self._database.call(lambda at: _records(at, box))

    async def mutes(self, box: str) -> dict[str, float | None]:
        """Return what is muted on a box, and until when; None is until it is cleared or unmuted."""
        return await self._database.call(lambda at: _mutes(at, box)) or {}

    async def mute(self, box: str, what: str, until: float | None) -> None:
        """Mute an alert by its key, a card by its UUID, another subject by its name, or, by `box`, all."""
        await self._database.call(lambda at: _mute(at, box, what, until))

    async def unmute(self, box: str, what: str) -> bool:
        """Return whether it was muted, and no longer is."""
        return await self._database.call(lambda at: _unmute(at, box, what)) or False

    async def state(self, box: str) -> tuple[Mapping[str, Any], float] | None:
        """Return what the rules remember of a box, and when that was written; None without it."""
        return await self._database.call(lambda at: _state(at, box))

    async def write_state(self, box: str, state: Mapping[str, Any], now: float) -> None:
        """Remember what the rules remember of a box."""
        text = json.dumps(state)
        await self._database.call(lambda at: _write_state(at, box, text, now))


def _add(connection: sqlite3.Connection, box: str, alert: Alert, test: bool) -> bool:
    with connection:
        added = connection.execute(
            "INSERT OR IGNORE INTO alert (box, key, alert, raised, cleared, test) VALUES (?, ?, ?, ?, ?, ?)",
            (box, alert.key, json.dumps(alert.row()), alert.since, alert.since if test else None, test),
        ).rowcount
        connection.execute(
            "DELETE FROM alert WHERE box = ?1 AND cleared IS NOT NULL AND id <= "
            "(SELECT id FROM alert WHERE box = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (box, MOST),
        )
    return added == 1


def _clear(connection: sqlite3.Connection, box: str, key: str, now: float) -> bool:
    with connection:
        where = "box = ? AND key = ? AND cleared IS NULL"
        done = connection.execute(f"UPDATE alert SET cleared = ? WHERE {where}", (now, box, key)).rowcount
        connection.execute("DELETE FROM mute WHERE box = ? AND what = ? AND until IS NULL", (box, key))
    return done > 0


def _acknowledge(connection: sqlite3.Connection, box: str, key: str, now: float) -> bool:
    with connection:
        return (
            connection.execute(
                "UPDATE alert SET acknowledged = ? "
                "WHERE box = ? AND key = ? AND cleared IS NULL AND acknowledged IS NULL",
                (now, box, key),
            ).rowcount
            > 0
        )


def _records(connection: sqlite3.Connection, box: str) -> list[AlertRecord]:
    rows = connection.execute(
        "SELECT id, alert, cleared, acknowledged, test FROM alert WHERE box = ? ORDER BY id DESC", (box,)
    )
    found: list[AlertRecord] = []
    for number, text, cleared, acknowledged, test in cast("list[tuple[int, str, Any, Any, int]]", rows):
        try:
            alert = Alert.of(json.loads(text))
        except (ValueError, KeyError, TypeError):  # of a newer version
            continue
        found.append(AlertRecord(number, alert, cleared, acknowledged, bool(test)))
    return found


def _mutes(connection: sqlite3.Connection, box: str) -> dict[str, float | None]:
    rows = connection.execute("SELECT what, until FROM mute WHERE box = ?", (box,))
    return dict(cast("list[tuple[str, float | None]]", rows.fetchall()))


def _mute(connection: sqlite3.Connection, box: str, what: str, until: float | None) -> None:
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO mute (box, what, until) VALUES (?, ?, ?)", (box, what, until)
        )


def _unmute(connection: sqlite3.Connection, box: str, what: str) -> bool:
    with connection:
        return connection.execute("DELETE FROM mute WHERE box = ? AND what = ?", (box, what)).rowcount > 0


def _state(connection: sqlite3.Connection, box: str) -> tuple[Mapping[str, Any], float] | None:
    row = connection.execute("SELECT state, at FROM alert_state WHERE box = ?", (box,)).fetchone()
    if row is None:
        return None
    text, at = cast("tuple[str, float]", row)
    try:
        state: object = json.loads(text)
    except ValueError:
        return None
    return (cast("dict[str, Any]", state), at) if isinstance(state, dict) else None


def _write_state(connection: sqlite3.Connection, box: str, text: str, now: float) -> None:
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO alert_state (box, state, at) VALUES (?, ?, ?)", (box, text, now)
        )
