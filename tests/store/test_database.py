"""A disk that is damaged, locked, read-only, hung or of a newer version costs history and nothing else."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from gpubox.common.tiers import HistoryRow
from gpubox.core.history import History
from gpubox.core.target import Target
from gpubox.store import database
from gpubox.store import history as history_module
from gpubox.store.history import WIDTH
from gpubox.store.migrations import VERSION
from gpubox.store.store import Store
from tests.boxes.scripted import until
from tests.hang import LIMIT
from tests.store.files import SETTINGS, past, rows_in

LETTER = b"this was a letter to my aunt\n" * 300


def _letter(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(LETTER)


def _aside(path: Path) -> bytes:
    return Path(f"{path}.damaged").read_bytes()


async def test_a_damaged_file_is_moved_aside_and_history_begins_again(path: Path) -> None:
    _letter(path)
    with Store.open(SETTINGS, path) as store:
        store.state.remember(Target("attic", "ssh"))
        assert store.state.recent() == ["attic"]
        await store.history.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
        assert store.trouble.value is not None  # it is said as long as the program runs
        assert store.trouble.value.title == "History starts over"
        assert f"{path}.damaged" in store.trouble.value.hint
    assert _aside(path) == LETTER
    with Store.open(SETTINGS, path) as again:
        assert again.trouble.value is None
    assert rows_in(path) == 1


async def test_a_file_that_is_damaged_while_it_is_open_is_moved_aside_by_the_first_program(
    store: Store, path: Path
) -> None:
    with Store.open(SETTINGS, path) as second:
        for number in range(300):
            await second.history.write(HistoryRow("xub", past(3500) + number * WIDTH, {"host/cpu": 1.0}))
        _damage(path)
        for one in (store, second):
            await one.history.load("xub", History())
            one.state.remember(Target("attic", "ssh"))
            assert one.trouble.value is not None
            assert one.trouble.value.title == "History starts over"
        assert store.state.recent() == second.state.recent() == ["attic"]
    assert rows_in(path) == 0
    assert b"\xff" * 4096 in _aside(path)


def _damage(path: Path) -> None:
    """Write rubbish over all pages but the first, past the log of writes."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


async def test_a_file_that_breaks_later_is_reported(store: Store) -> None:
    await store.history.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    connection = sqlite3.connect(store.path)
    connection.executescript("UPDATE mean_10 SET means = x'00'; UPDATE layout SET series = '{not json'")
    connection.close()
    history = History()
    await store.history.load("xub", history)
    assert history.keys() == ()
    assert store.trouble.value is not None
    assert str(store.path) in store.trouble.value.text
    store.state.remember(Target("attic", "ssh"))
    assert store.trouble.value is None  # it works again


async def test_a_locked_file_is_reported(store: Store, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with Store.open(SETTINGS, path) as second:
            second.state.remember(Target("attic", "ssh"))
            await _goes_on_without(second, "Another program holds it")
        await store.history.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
        assert store.trouble.value is not None
    finally:
        connection.rollback()
        connection.close()
    await store.history.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    assert store.trouble.value is None
    assert rows_in(path) == 1


async def test_a_file_that_is_locked_at_the_start_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("BEGIN EXCLUSIVE")
    with Store.open(SETTINGS, path) as store:
        await _goes_on_without(store, "Another program holds it")
        connection.rollback()
        connection.close()
        monkeypatch.setattr(store._database, "_retry_at", 0.0)
        store.state.remember(Target("attic", "ssh"))
        assert (store.trouble.value, store.state.recent()) == (None, ["attic"])


async def test_a_file_that_may_only_be_read_is_reported(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.state.remember(Target("attic", "ssh"))
    store.close()

    def only_read(file: Path, timeout: float) -> sqlite3.Connection:  # root may write whatever the bits say
        return connect(f"file:{file}?mode=ro", uri=True, timeout=timeout)

    connect = sqlite3.connect
    monkeypatch.setattr(database.sqlite3, "connect", only_read)
    with Store.open(SETTINGS, path) as second:
        assert second.state.recent() == ["attic"]
        second.state.remember(Target("cellar", "ssh"))
        assert second.trouble.value is not None
        assert "readonly" in second.trouble.value.text
        assert "writable for you" in second.trouble.value.hint
        assert second.state.recent() == ["attic"]


async def test_a_disk_that_hangs_holds_nothing_up(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_PATIENCE", 0.05)
    freed = threading.Event()

    def hang(*_: object) -> History:
        freed.wait(LIMIT)
        return History()

    monkeypatch.setattr(history_module, "_last_hour", hang)
    try:
        history = History()
        await asyncio.wait_for(store.history.load("xub", history), LIMIT)
        assert store.trouble.value is not None
        assert "does not answer" in store.trouble.value.text
        store.state.remember(Target("attic", "ssh"))
        await store.history.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
        assert store.trouble.value is not None
        with Store.open(SETTINGS, path) as second:
            await second.history.load("xub", history)
            second.close()
            assert not freed.is_set()
    finally:
        freed.set()
    await until(lambda: store.state.recent() == [] and store.trouble.value is None)
    store.state.remember(Target("attic", "ssh"))
    assert store.state.recent() == ["attic"]


async def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", "utf-8")
    with Store.open(SETTINGS, tmp_path / "file" / "history.sqlite") as store:
        await _goes_on_without(store, "history.keep = false")


async def test_a_file_of_a_newer_version_is_reported_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = await asyncio.to_thread(path.read_bytes)
    with Store.open(SETTINGS, path) as newer:
        await _goes_on_without(newer, "Update gpubox-tui")
    assert await asyncio.to_thread(path.read_bytes) == before


async def _goes_on_without(store: Store, hint: str) -> None:
    """Nothing works, nothing raises, and the trouble says what to do."""
    assert store.trouble.value is not None
    assert hint in store.trouble.value.hint
    assert store.state.recent() == []
    store.state.remember(Target("attic", "ssh"))
    history = History()
    await store.history.load("xub", history)
    await store.history.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    assert history.keys() == ()
    assert store.trouble.value is not None
