"""Stores small facts about each box: last use, ports of tunnels, programs, commands, the chosen env."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, cast

from gpubox.store.database import Database

if TYPE_CHECKING:
    from gpubox.core.target import Target

MOST = 50
"""Graphical programs remembered for each box, and commands of jobs."""
PORTS = 1000
"""Tunnels whose port is remembered."""
RECENT = 50
"""Boxes remembered as last used."""


class BoxState:
    """Small facts in the database. On a bad disk writes are lost and reads are empty."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def recent(self) -> list[str]:
        """Return the names of boxes, last used first."""
        return self._database.run(_recent) or []

    def remember(self, target: Target) -> bool:
        """Record that a box is used now; return whether nothing was known of it before."""
        return self._database.run(lambda connection: _remember(connection, target.name)) or False

    async def ports(self) -> dict[tuple[str, str], int]:
        """Return the ports of this machine that tunnels had, by box and name of the tunnel."""
        return await self._database.call(_ports) or {}

    async def add_port(self, box: str, tunnel: str, port: int) -> None:
        """Remember the port of a tunnel; the longest unused ones are forgotten."""
        await self._database.call(lambda connection: _add_port(connection, box, tunnel, port))

    async def programs(self, box: str) -> list[str]:
        """Return the graphical programs that were run on a box, last used first."""
        return await self._last_used("program", "command", box)

    async def add_program(self, box: str, command: str) -> None:
        """Remember a program of a box; the longest unused ones are forgotten."""
        await self._add("program", "command", box, command)

    async def commands(self, box: str) -> list[str]:
        """Return the command lines of jobs that were run on a box, last used first."""
        return await self._last_used("command", "line", box)

    async def add_command(self, box: str, line: str) -> None:
        """Remember the command line of a job; the longest unused ones are forgotten."""
        await self._add("command", "line", box, line)

    async def chosen_env(self, box: str) -> str:
        """Return the folder of the environment that is chosen on a box; empty without one."""
        return await self._database.call(lambda connection: _chosen_env(connection, box)) or ""

    async def choose_env(self, box: str, prefix: str) -> None:
        """Remember the environment that is chosen on a box; an empty one forgets it."""
        await self._database.call(lambda connection: _choose_env(connection, box, prefix))

    async def _last_used(self, table: str, column: str, box: str) -> list[str]:
        return await self._database.call(lambda it: _last_used(it, table, column, box)) or []

    async def _add(self, table: str, column: str, box: str, words: str) -> None:
        await self._database.call(lambda connection: _add(connection, table, column, box, words))


def _recent(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM box WHERE used > 0 ORDER BY used DESC LIMIT ?", (RECENT,))
    return [cast("str", name) for (name,) in rows]


def _remember(connection: sqlite3.Connection, name: str) -> bool:
    with connection:
        new = connection.execute("INSERT OR IGNORE INTO box (name) VALUES (?)", (name,)).rowcount == 1
        connection.execute("UPDATE box SET used = ? WHERE name = ?", (time.time(), name))
    return new


def _ports(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    rows = connection.execute("SELECT box, tunnel, port FROM port WHERE port BETWEEN 1 AND 65535")
    return {(box, tunnel): port for box, tunnel, port in cast("list[tuple[str, str, int]]", rows.fetchall())}


def _add_port(connection: sqlite3.Connection, box: str, tunnel: str, port: int) -> None:
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


def _last_used(connection: sqlite3.Connection, table: str, column: str, box: str) -> list[str]:
    rows = connection.execute(
        f"SELECT {column} FROM {table} WHERE box = ? ORDER BY used DESC LIMIT ?", (box, MOST)
    )
    return [words for (words,) in cast("list[tuple[str]]", rows.fetchall())]


def _add(connection: sqlite3.Connection, table: str, column: str, box: str, words: str) -> None:
    with connection:
        connection.execute(
            f"INSERT INTO {table} (box, {column}, used) VALUES (?1, ?2, ?3) "
            f"ON CONFLICT (box, {column}) DO UPDATE SET used = ?3",
            (box, words, time.time()),
        )
        connection.execute(
            f"DELETE FROM {table} WHERE box = ?1 AND used < "
            f"(SELECT used FROM {table} WHERE box = ?1 ORDER BY used DESC LIMIT 1 OFFSET ?2)",
            (box, MOST - 1),
        )


def _chosen_env(connection: sqlite3.Connection, box: str) -> str:
    rows = connection.execute("SELECT prefix FROM choice WHERE box = ?", (box,))
    return next((prefix for (prefix,) in cast("list[tuple[str]]", rows.fetchall())), "")


def _choose_env(connection: sqlite3.Connection, box: str, prefix: str) -> None:
    with connection:
        connection.execute("DELETE FROM choice WHERE box = ?", (box,))
        if prefix:
            connection.execute("INSERT INTO choice (box, prefix) VALUES (?, ?)", (box, prefix))
