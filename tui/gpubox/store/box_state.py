"""Small things that are remembered of each box: programs, commands of jobs, endings told, the chosen env."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import cast

MOST = 50
"""Graphical programs remembered for each box, and commands of jobs."""
ENDINGS = 5000
"""Endings remembered for each box: more than the jobs that a box lists, so that none is told twice."""

_PROGRAMS = """
CREATE TABLE IF NOT EXISTS program (
    box TEXT NOT NULL, command TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (box, command)
) WITHOUT ROWID
"""
_COMMANDS = """
CREATE TABLE IF NOT EXISTS command (
    box TEXT NOT NULL, line TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (box, line)
) WITHOUT ROWID
"""
# A job's row says that its end was told; the row without a job, when the box was seen first by its own clock.
_TOLD = """
CREATE TABLE IF NOT EXISTS told (
    box TEXT NOT NULL, job TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (box, job)
) WITHOUT ROWID
"""
_CLAIMED = """
CREATE TABLE IF NOT EXISTS claimed (
    box TEXT NOT NULL, job TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (box, job)
) WITHOUT ROWID
"""
_CHOICES = """
CREATE TABLE IF NOT EXISTS choice (box TEXT PRIMARY KEY, prefix TEXT NOT NULL) WITHOUT ROWID
"""
TABLES = (_PROGRAMS, _COMMANDS, _TOLD, _CLAIMED, _CHOICES)
"""What makes the tables; they are made wherever they are missing."""


def programs(connection: sqlite3.Connection, box: str) -> list[str]:
    """Return the graphical programs that were run on a box, last used first."""
    return _last_used(connection, "program", "command", box)


def keep_program(connection: sqlite3.Connection, box: str, command: str) -> None:
    """Remember a program of a box; the longest unused ones are forgotten."""
    _use(connection, "program", "command", box, command)


def commands(connection: sqlite3.Connection, box: str) -> list[str]:
    """Return the command lines of jobs that were run on a box, last used first."""
    return _last_used(connection, "command", "line", box)


def keep_command(connection: sqlite3.Connection, box: str, line: str) -> None:
    """Remember the command line of a job; the longest unused ones are forgotten."""
    _use(connection, "command", "line", box, line)


def _last_used(connection: sqlite3.Connection, table: str, column: str, box: str) -> list[str]:
    rows = connection.execute(
        f"SELECT {column} FROM {table} WHERE box = ? ORDER BY used DESC LIMIT ?", (box, MOST)
    )
    return [words for (words,) in cast("list[tuple[str]]", rows.fetchall())]


def _use(connection: sqlite3.Connection, table: str, column: str, box: str, words: str) -> None:
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


def told_jobs(connection: sqlite3.Connection, box: str, now: float) -> tuple[float, set[str]]:
    """Return when a box was first seen by its own clock (`now` if never), and the jobs whose end was told."""
    with connection:
        connection.execute("INSERT OR IGNORE INTO told (box, job, at) VALUES (?, '', ?)", (box, now))
    rows = cast(
        "list[tuple[str, float]]",
        connection.execute("SELECT job, at FROM told WHERE box = ?", (box,)).fetchall(),
    )
    since = next((at for job, at in rows if not job), now)
    return since, {job for job, _ in rows if job}


def keep_told(connection: sqlite3.Connection, box: str, jobs: Sequence[str]) -> None:
    """Note that the end of jobs was told; they are never told again. The oldest notes are forgotten."""
    with connection:
        connection.executemany(
            "INSERT OR REPLACE INTO told (box, job, at) VALUES (?, ?, ?)",
            [(box, job, time.time()) for job in jobs if job],
        )
        connection.execute(
            "DELETE FROM told WHERE box = ?1 AND job <> '' AND at < "
            "(SELECT at FROM told WHERE box = ?1 AND job <> '' ORDER BY at DESC LIMIT 1 OFFSET ?2)",
            (box, ENDINGS - 1),
        )


def claim(connection: sqlite3.Connection, box: str, job: str) -> bool:
    """Note that somebody acts on the end of a job; returns whether nobody did before."""
    with connection:
        made = connection.execute(
            "INSERT OR IGNORE INTO claimed (box, job, at) VALUES (?, ?, ?)", (box, job, time.time())
        )
        first = made.rowcount == 1
        connection.execute(
            "DELETE FROM claimed WHERE box = ?1 AND at < "
            "(SELECT at FROM claimed WHERE box = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
            (box, ENDINGS - 1),
        )
    return first


def choice(connection: sqlite3.Connection, box: str) -> str:
    """Return the folder of the environment that is chosen on a box; empty without one."""
    rows = cast(
        "list[tuple[str]]",
        connection.execute("SELECT prefix FROM choice WHERE box = ?", (box,)).fetchall(),
    )
    return rows[0][0] if rows else ""


def keep_choice(connection: sqlite3.Connection, box: str, prefix: str) -> None:
    """Remember the environment that is chosen on a box; an empty one forgets it."""
    with connection:
        connection.execute("DELETE FROM choice WHERE box = ?", (box,))
        if prefix:
            connection.execute("INSERT INTO choice (box, prefix) VALUES (?, ?)", (box, prefix))
