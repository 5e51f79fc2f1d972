"""A file of any older version is brought to this one with all that it holds, or stays as it was."""

from __future__ import annotations

import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.config.settings import Settings
from gpubox.core.history import History
from gpubox.store import migrations
from gpubox.store.store import Store

VERSION_1 = """
CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, used REAL NOT NULL DEFAULT 0);
CREATE TABLE layout (id INTEGER PRIMARY KEY, series TEXT NOT NULL UNIQUE);
CREATE TABLE seen (
    box INTEGER NOT NULL REFERENCES box, second INTEGER NOT NULL,
    layout INTEGER NOT NULL REFERENCES layout, means BLOB NOT NULL,
    PRIMARY KEY (box, second)
) WITHOUT ROWID;
CREATE TABLE port (
    box TEXT NOT NULL, tunnel TEXT NOT NULL, port INTEGER NOT NULL, used REAL NOT NULL,
    PRIMARY KEY (box, tunnel)
) WITHOUT ROWID;
CREATE TABLE program (
    box TEXT NOT NULL, command TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (box, command)
) WITHOUT ROWID;
CREATE TABLE command (
    box TEXT NOT NULL, line TEXT NOT NULL, used REAL NOT NULL, PRIMARY KEY (box, line)
) WITHOUT ROWID;
CREATE TABLE told (
    box TEXT NOT NULL, job TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (box, job)
) WITHOUT ROWID;
CREATE TABLE claimed (
    box TEXT NOT NULL, job TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (box, job)
) WITHOUT ROWID;
CREATE TABLE choice (box TEXT PRIMARY KEY, prefix TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
INSERT INTO box VALUES (1, 'xub', 5), (2, 'attic', 9);
INSERT INTO layout VALUES (1, '["host/cpu","host/memory"]');
INSERT INTO port VALUES ('xub', 'jupyter', 8888, 1);
INSERT INTO program VALUES ('xub', 'xterm', 1), ('xub', 'xclock', 2);
INSERT INTO command VALUES ('xub', 'python train.py', 1);
INSERT INTO told VALUES ('xub', '', 5000), ('xub', 'one', 6000);
INSERT INTO claimed VALUES ('xub', 'two', 6001);
INSERT INTO choice VALUES ('xub', '/envs/a');
"""
"""What programs of version 1 made, word for word, with something in each table."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def old(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(VERSION_1)
    yield connection
    connection.close()


async def test_a_file_of_the_first_version_keeps_all_that_it_holds(
    old: sqlite3.Connection, path: Path
) -> None:
    second = int(time.time()) // 10 * 10 - 60
    old.execute("INSERT INTO seen VALUES (1, ?, 1, ?)", (second, struct.pack("<2f", 12.5, 50.0)))
    old.close()
    for unclaimed in ({"one"}, set[str]()):
        with Store.open(Settings(), path) as store:
            assert store.trouble.value is None
            assert store.state.recent() == ["attic", "xub"]
            assert await store.state.ports() == {("xub", "jupyter"): 8888}
            assert await store.state.programs("xub") == ["xclock", "xterm"]
            assert await store.state.commands("xub") == ["python train.py"]
            assert await store.state.chosen_env("xub") == "/envs/a"
            assert await store.events.first_seen("xub", 9000.0) == 5000.0
            assert await store.events.claimed("xub", "job ended") == {"one"}
            assert await store.events.claim("xub", "job hook", ["one", "two"]) == unclaimed
            history = History()
            await store.history.load("xub", history)
            assert history.window("host/cpu", second + 5, 1, 1) == [12.5]
            assert history.window("host/memory", second + 5, 1, 1) == [50.0]


async def test_a_file_of_the_first_version_may_lack_the_later_tables(
    old: sqlite3.Connection, path: Path
) -> None:
    for table in ("port", "program", "command", "told", "claimed", "choice"):
        old.execute(f"DROP TABLE {table}")
    old.close()
    with Store.open(Settings(), path) as store:
        assert store.trouble.value is None
        assert store.state.recent() == ["attic", "xub"]
        assert await store.events.claim("xub", "job ended", ["a"]) == {"a"}


def test_a_step_that_fails_leaves_the_file_as_it_was(
    old: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM event")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    before = list(old.iterdump())
    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, fail))
    monkeypatch.setattr(migrations, "VERSION", 3)
    with Store.open(Settings(), path) as store:
        assert store.trouble.value is not None
        assert "nowhere" in store.trouble.value.text
    assert list(old.iterdump()) == before
    assert old.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_program_that_waited_for_the_lock_does_no_step_twice(
    old: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (sqlite3.connect(path, timeout=0.0) for _ in range(2))
    read = migrations.version

    def version(connection: sqlite3.Connection, path: Path) -> int:
        found = read(connection, path)
        if connection is second and found == 1:
            migrations.migrate(first, path)  # just after the second one looked
        return found

    monkeypatch.setattr(migrations, "version", version)
    migrations.migrate(second, path)
    assert first.execute("PRAGMA user_version").fetchone() == (migrations.VERSION,)
    first.close()
    second.close()
