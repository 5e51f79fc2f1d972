"""Who used the GPUs of a box, hour by hour: the table, what a sample adds to it, and how it is read."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

from gpubox.common.metrics import field

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

TABLES = """
CREATE TABLE IF NOT EXISTS usage (
    hour INTEGER NOT NULL, uuid TEXT NOT NULL, user TEXT NOT NULL,
    held REAL NOT NULL, busy REAL NOT NULL, energy REAL NOT NULL,
    PRIMARY KEY (hour, uuid, user)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watched (hour INTEGER PRIMARY KEY, seconds REAL NOT NULL)
"""
"""Makes the tables. An hour is named by its first second since the epoch."""
HOUR = 3600
BUSY = 10.0
"""Percent of utilization from which a GPU counts as busy; below, who has a process there holds it idle."""
NOBODY = ""
"""The user of a GPU without a process: what it draws then is nobody's."""
_NAME = 64
"""Most characters of a user's name."""


class UsageRow(NamedTuple):
    """The use of one GPU by one user over an hour or a longer time."""

    uuid: str
    user: str
    held: float
    """Seconds with a process on it. Two users of one GPU at a time have half of them each."""
    busy: float
    """Seconds of those in which the GPU worked."""
    energy: float
    """Joules that the GPU drew meanwhile, by the mean of its power."""


def of_sample(sample: object, seconds: float) -> List[UsageRow]:
    """Return the use that a sample stands for, which holds for some seconds."""
    users: Dict[object, List[str]] = {}
    for process in field(sample, "processes") or ():
        if (gpu := field(process, "gpu")) is not None:
            name = str(field(process, "user") or "?")[:_NAME]
            if name not in users.setdefault(gpu, []):
                users[gpu].append(name)
    found: List[UsageRow] = []
    for gpu in field(sample, "gpus") or ():
        owners = users.get(field(gpu, "index")) or [NOBODY]
        share = seconds / len(owners)
        busy = share if (field(gpu, "util") or 0.0) >= BUSY else 0.0
        energy = (field(gpu, "power") or 0.0) * share
        uuid = str(field(gpu, "uuid") or field(gpu, "index"))
        found += [UsageRow(uuid, user, 0.0 if user == NOBODY else share, busy, energy) for user in owners]
    return found


class UsageSum:
    """Adds up use in memory until it is written."""

    def __init__(self) -> None:
        self._uses: Dict[Tuple[int, str, str], UsageRow] = {}
        self._watched: Dict[int, float] = {}

    def add(self, moment: float, sample: object, seconds: float) -> None:
        """Add a sample of some moment, in seconds since the epoch, that holds for some seconds."""
        hour = int(moment) - int(moment) % HOUR
        self._watched[hour] = self._watched.get(hour, 0.0) + seconds
        for use in of_sample(sample, seconds):
            key = (hour, use.uuid, use.user)
            self._uses[key] = added(self._uses[key], use) if key in self._uses else use

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what was added, all or none, and forget it; raises sqlite3.Error."""
        with connection:
            connection.executemany(
                "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (hour, uuid, user) "
                "DO UPDATE SET held = held + ?4, busy = busy + ?5, energy = energy + ?6",
                [(hour, *use) for (hour, _, _), use in self._uses.items()],
            )
            connection.executemany(
                "INSERT INTO watched VALUES (?1, ?2) ON CONFLICT (hour) DO UPDATE SET seconds = seconds + ?2",
                self._watched.items(),
            )
        self._uses.clear()
        self._watched.clear()


def added(one: UsageRow, other: UsageRow) -> UsageRow:
    """Return the sum of two uses of one GPU by one user."""
    return one._replace(
        held=one.held + other.held, busy=one.busy + other.busy, energy=one.energy + other.energy
    )


def read(connection: sqlite3.Connection, begin: int, end: int) -> Tuple[float, List[UsageRow]]:
    """Return the seconds that were watched from `begin` to `end`, and the use by GPU and user.

    Both are rounded to whole hours, `begin` down. Raises sqlite3.Error.
    """
    bounds = (begin - begin % HOUR, end)
    ((seconds,),) = connection.execute(
        "SELECT total(seconds) FROM watched WHERE hour >= ? AND hour < ?", bounds
    )
    rows = connection.execute(
        "SELECT uuid, user, sum(held), sum(busy), sum(energy) FROM usage WHERE hour >= ? AND hour < ? "
        "GROUP BY uuid, user ORDER BY uuid, user",
        bounds,
    )
    return float(seconds), [UsageRow(*row) for row in rows]


def delete(connection: sqlite3.Connection, before: int) -> None:
    """Delete the use of hours before a second since the epoch; raises sqlite3.Error."""
    with connection:
        connection.execute("DELETE FROM usage WHERE hour < ?", (before,))
        connection.execute("DELETE FROM watched WHERE hour < ?", (before,))
