"""Records events of each box so that one running program claims and announces each of them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from typing import Literal, cast

from gpubox.store.database import Database

MOST = 5000
"""Most events of one kind that are stored per box: more than the jobs that it lists."""

EventKind = Literal["job ended", "job hook"]
"""What can be claimed: notifying the user that a job ended, and running the user's command for that."""
_SEEN = "box seen"
"""The kind of the single row with the time when a box was first seen."""
_FETCHED = "history fetched"
"""The kind of the single row with the time up to which the history of a box was fetched from it."""


class Events:
    """Events in the database, by box, kind and subject, such as a job's id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, box: str, kind: EventKind, subjects: Collection[str]) -> set[str]:
        """Claim events, and return those that nobody claimed before, which the caller has to announce.

        When the disk does not answer, all are returned: two announcements are better than none.
        """
        if not subjects:
            return set()
        claimed = await self._database.call(lambda connection: _claim(connection, box, kind, subjects))
        return set(subjects) if claimed is None else claimed

    async def claimed(self, box: str, kind: EventKind) -> set[str] | None:
        """Return the subjects of all events that were claimed; None when the disk does not answer."""
        return await self._database.call(lambda connection: _claimed(connection, box, kind))

    async def first_seen(self, box: str, now: float) -> float | None:
        """Return when a box was first seen, by its own clock, in seconds since the epoch.

        That is `now` for a box that was never seen; None when the disk does not answer.
        """
        return await self._database.call(lambda connection: _first_seen(connection, box, now))

    async def fetched(self, box: str) -> float | None:
        """Return up to when the history of a box was fetched, in this machine's seconds since the epoch.

        It is None when it never was, and when the disk does not answer.
        """
        return await self._database.call(lambda connection: _at(connection, box, _FETCHED))

    async def fetch(self, box: str, until: float) -> None:
        """Record up to when the history of a box was fetched."""
        await self._database.call(lambda connection: _set(connection, box, _FETCHED, until))


def _claim(connection: sqlite3.Connection, box: str, kind: str, subjects: Collection[str]) -> set[str]:
    with connection:
        new = {
            subject
            for subject in subjects
            if connection.execute(
                "INSERT OR IGNORE INTO event (box, kind, subject, at) VALUES (?, ?, ?, ?)",
                (box, kind, subject, time.time()),
            ).rowcount
            == 1
        }
        connection.execute(
            "DELETE FROM event WHERE box = ?1 AND kind = ?2 AND at < "
            "(SELECT at FROM event WHERE box = ?1 AND kind = ?2 ORDER BY at DESC LIMIT 1 OFFSET ?3)",
            (box, kind, MOST - 1),
        )
    return new


def _claimed(connection: sqlite3.Connection, box: str, kind: str) -> set[str]:
    rows = connection.execute("SELECT subject FROM event WHERE box = ? AND kind = ?", (box, kind))
    return {subject for (subject,) in cast("list[tuple[str]]", rows.fetchall())}


def _first_seen(connection: sqlite3.Connection, box: str, now: float) -> float:
    with connection:
        connection.execute("INSERT OR IGNORE INTO event VALUES (?, ?, '', ?)", (box, _SEEN, now))
    at = _at(connection, box, _SEEN)
    return now if at is None else at


def _at(connection: sqlite3.Connection, box: str, kind: str) -> float | None:
    rows = connection.execute("SELECT at FROM event WHERE box = ? AND kind = ?", (box, kind))
    return next((at for (at,) in cast("list[tuple[float]]", rows.fetchall())), None)


def _set(connection: sqlite3.Connection, box: str, kind: str, at: float) -> None:
    with connection:
        connection.execute("INSERT OR REPLACE INTO event VALUES (?, ?, '', ?)", (box, kind, at))
