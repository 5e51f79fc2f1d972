"""Migrates the database: numbered steps from any version to this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import cast

from gpubox.common.tiers import BOXES, TIER
from gpubox.core.errors import StoreError

_FIRST = """
CREATE TABLE seen (
    box INTEGER NOT NULL REFERENCES box, second INTEGER NOT NULL,
    layout INTEGER NOT NULL REFERENCES layout, means BLOB NOT NULL,
    PRIMARY KEY (box, second)
) WITHOUT ROWID
"""
# Programs of version 1 made these wherever they were missing, so a file of that version may lack some.
_LATER = """
CREATE TABLE IF NOT EXISTS port (
    box TEXT NOT NULL, tunnel TEXT NOT NULL, port INTEGER NOT NULL, used REAL NOT NULL,
    PRIMARY KEY (box, tunnel)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS program (
    box TEXT NOT NULL, command TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (box, command)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS command (
    box TEXT NOT NULL, line TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (box, line)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (
    box TEXT NOT NULL, job TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (box, job)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS claimed (
    box TEXT NOT NULL, job TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (box, job)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS choice (box TEXT PRIMARY KEY, prefix TEXT NOT NULL) WITHOUT ROWID
"""
_EVENTS = """
CREATE TABLE event (
    box TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (box, kind, subject)
) WITHOUT ROWID;
INSERT INTO event SELECT box, CASE job WHEN '' THEN 'box seen' ELSE 'job ended' END, job, at FROM told;
INSERT INTO event SELECT box, 'job hook', job, at FROM claimed;
DROP TABLE told;
DROP TABLE claimed
"""
_ALERTS = """
CREATE TABLE alert (
    id INTEGER PRIMARY KEY, box TEXT NOT NULL, key TEXT NOT NULL, alert TEXT NOT NULL,
    raised REAL NOT NULL, cleared REAL, acknowledged REAL, test INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX alert_of_box ON alert (box, id);
CREATE UNIQUE INDEX active_alert ON alert (box, key) WHERE cleared IS NULL;
CREATE TABLE mute (
    box TEXT NOT NULL, what TEXT NOT NULL, until REAL, PRIMARY KEY (box, what)
) WITHOUT ROWID;
CREATE TABLE alert_state (box TEXT PRIMARY KEY, state TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID
"""


def _first_tables(connection: sqlite3.Connection) -> None:
    _execute(connection, BOXES)
    _execute(connection, _FIRST)


def _tiers_and_events(connection: sqlite3.Connection) -> None:
    """Ten-second means become the finest of three tiers; endings of jobs become events."""
    _execute(connection, _LATER)
    connection.execute("ALTER TABLE seen RENAME TO mean_10")
    for width in (300, 3600):
        connection.execute(TIER.format(width=width))
    _execute(connection, _EVENTS)


def _alerts(connection: sqlite3.Connection) -> None:
    _execute(connection, _ALERTS)


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first_tables,
    _tiers_and_events,
    _alerts,
)
"""Step N migrates version N to N + 1; steps are only ever added."""
VERSION = len(MIGRATIONS)
"""The version of the tables that this program works with, kept in SQLite's user_version."""


class NewerVersion(StoreError):
    """The file was made by a newer version of this program."""


def version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of a file, 0 for an empty one; raises NewerVersion, and sqlite3.Error."""
    found = cast("int", connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise NewerVersion(
            "History of another version",
            f"{path} was made by a newer gpubox-tui (version {found}, this one knows {VERSION})",
            "Update gpubox-tui; until then nothing is kept on disk",
        )
    return found


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Migrate a file to this version, completely or not at all; raises NewerVersion and sqlite3.Error."""
    if version(connection, path) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another program may have migrated it while this one waited for the lock.
        for step in MIGRATIONS[version(connection, path) :]:
            step(connection)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _execute(connection: sqlite3.Connection, statements: str) -> None:
    # Not executescript, which would commit the transaction first.
    for statement in statements.split(";"):
        connection.execute(statement)
