"""What was seen comes back after a restart, and a bad disk costs nothing but that."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.boxes.box import Box
from gpubox.config.settings import HistorySettings, Settings
from gpubox.core.history import History, readings
from gpubox.core.target import Target
from gpubox.store import history_tables
from gpubox.store import store as store_module
from gpubox.store.history_tables import RECENT, WIDTH, HistoryRow
from gpubox.store.store import Store
from tests.boxes.scripted import ScriptedLink, until
from tests.samples import eight_gpus, training_box

SETTINGS = Settings()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(SETTINGS, path) as opened:
        assert opened.trouble.value is None
        yield opened


def past(seconds: float = 60) -> int:
    """The begin of a row in the past."""
    return int(time.time() - seconds) // WIDTH * WIDTH


def values(history: History, key: str, seconds: int = 3600) -> list[float]:
    return [value for value in history.window(key, time.time(), seconds, seconds) if value is not None]


async def test_what_was_seen_comes_back_after_a_restart(store: Store, path: Path) -> None:
    means = dict(readings(training_box()))
    begin = past()
    for step in range(3):
        await store.write(HistoryRow("xub", begin + step * WIDTH, means))
    await store.write(HistoryRow("other", begin, {"host/cpu": 1.0}))
    store.close()
    history = History()
    with Store.open(SETTINGS, path) as again:
        await again.load("xub", history)
    assert set(history.keys()) == set(means)
    for key, value in means.items():
        assert values(history, key) == pytest.approx([value] * 30, abs=0.06)


async def test_nothing_older_than_an_hour_is_read_and_old_rows_are_deleted(path: Path) -> None:
    with Store(path, HistorySettings(days=1)) as store:
        await store.write(
            HistoryRow("xub", past(2 * 86_400), {"host/cpu": 1.0})
        )  # the first write prunes too
        await store.write(HistoryRow("xub", past(7200), {"host/cpu": 2.0}))
        await store.write(HistoryRow("xub", past(30), {"host/cpu": 3.0}))
        history = History()
        await store.load("xub", history)
    assert values(history, "host/cpu") == [3.0] * WIDTH
    with sqlite3.connect(path) as connection:
        assert [second for (second,) in connection.execute("SELECT second FROM seen")] == [
            past(7200),
            past(30),
        ]
    connection.close()


async def test_two_windows_may_write_at_once(store: Store, path: Path) -> None:
    begin = past(600)
    with Store.open(SETTINGS, path) as second:
        await asyncio.gather(
            *(
                one.write(HistoryRow("xub", begin + n * WIDTH, {"host/cpu": 5.0}))
                for n in range(40)
                for one in (store, second)
            )
        )
        assert store.trouble.value is None
        assert second.trouble.value is None
        history = History()
        await second.load("xub", history)
    assert values(history, "host/cpu") == [5.0] * 400


async def test_the_last_used_boxes_come_first(store: Store, path: Path) -> None:
    for name in ("attic", "cellar", "attic", "demo"):
        store.remember(Target(name, "ssh"))
    assert store.recent() == ["demo", "attic", "cellar"]
    for number in range(RECENT + 5):
        store.remember(Target(f"gpu{number}", "ssh"))
    await store.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    with Store.open(SETTINGS, path) as again:
        assert len(again.recent()) == RECENT
        assert "attic" not in again.recent()


async def test_a_box_begins_with_what_was_seen_before_and_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.write(HistoryRow("xub", past(100), {"host/cpu": 77.0}))
    link = ScriptedLink()
    box = Box(Target("xub", "ssh"), link, store=store)
    monkeypatch.setattr(store_module, "WIDTH", 1)
    keeping = asyncio.create_task(box.keep())
    try:
        await until(lambda: link.shell.channels)
        assert values(box.history, "host/cpu") == [77.0] * WIDTH
        link.shell.channel.sample(training_box())
        await until(lambda: box.sample.value)
        assert values(box.history, "host/cpu")[-1] == training_box().host.cpu
        await until(lambda: _rows(store.path) >= 2)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def _rows(path: Path) -> int:
    connection = sqlite3.connect(path)
    ((count,),) = connection.execute("SELECT count(*) FROM seen")
    connection.close()
    assert isinstance(count, int)
    return count


async def test_history_that_is_not_wanted_is_not_written(path: Path) -> None:
    with Store(path, HistorySettings(keep=False)) as store:
        await asyncio.wait_for(store.keep("xub", History()), 30)  # it ends at once
        store.remember(Target("attic", "ssh"))
        assert store.recent() == ["attic"]


def letter(path: Path) -> bool:
    """Write a letter where the history belongs, and return whether it was there already."""
    text = b"this was a letter to my aunt\n" * 300
    path.parent.mkdir(exist_ok=True)
    was_there = path.exists() and path.read_bytes() == text
    path.write_bytes(text)
    return was_there


async def test_a_corrupt_file_is_told_and_left_alone(path: Path) -> None:
    letter(path)
    with Store.open(SETTINGS, path) as store:
        await _goes_on_without(store, "Delete the file")
    assert letter(path)


async def test_a_file_that_breaks_later_is_told(store: Store) -> None:
    await store.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    connection = sqlite3.connect(store.path)
    connection.executescript("UPDATE seen SET means = x'00'; UPDATE layout SET series = '{not json'")
    connection.close()
    history = History()
    await store.load("xub", history)
    assert history.keys() == ()
    assert store.trouble.value is not None
    assert str(store.path) in store.trouble.value.text
    store.remember(Target("attic", "ssh"))
    assert store.trouble.value is None  # it works again


async def test_a_locked_file_is_told(store: Store, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with Store.open(SETTINGS, path) as second:
            await _goes_on_without(second, "Another program holds it")
        await store.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
        assert store.trouble.value is not None
    finally:
        connection.rollback()
        connection.close()
    await store.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    assert store.trouble.value is None
    assert _rows(path) == 1


async def test_a_disk_that_hangs_holds_nothing_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PATIENCE", 0.05)
    freed = threading.Event()

    def hang(*_: object) -> History:
        freed.wait(10)
        return History()

    monkeypatch.setattr(history_tables, "last_hour", hang)
    try:
        history = History()
        await asyncio.wait_for(store.load("xub", history), 30)
        assert store.trouble.value is not None
        assert "does not answer" in store.trouble.value.text
        store.remember(Target("attic", "ssh"))
        await store.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
        assert store.trouble.value is not None
        store.close()
    finally:
        freed.set()
    await until(lambda: store.recent() == [] and store.trouble.value is None)
    store.remember(Target("attic", "ssh"))
    assert store.recent() == ["attic"]


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", "utf-8")
    with Store.open(SETTINGS, tmp_path / "file" / "history.sqlite") as store:
        await _goes_on_without(store, "history.keep = false")


async def test_a_file_of_a_newer_version_is_told_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {history_tables.VERSION + 1}")
    connection.close()
    before = await asyncio.to_thread(path.read_bytes)
    with Store.open(SETTINGS, path) as newer:
        await _goes_on_without(newer, "Update gpubox-tui")
    assert await asyncio.to_thread(path.read_bytes) == before


async def _goes_on_without(store: Store, hint: str) -> None:
    """Nothing works, nothing raises, and the trouble says what to do."""
    assert store.trouble.value is not None
    assert hint in store.trouble.value.hint
    assert store.recent() == []
    store.remember(Target("attic", "ssh"))
    history = History()
    await store.load("xub", history)
    await store.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    await asyncio.wait_for(store.keep("xub", history), 30)
    assert history.keys() == ()
    assert store.trouble.value is not None


async def test_a_box_that_renames_its_gpus_all_the_time_fills_no_disk(store: Store, path: Path) -> None:
    begin = past(3000)
    for number in range(200):
        await store.write(HistoryRow("xub", begin + number * WIDTH, {f"gpu/{number}/util": 1.0}))
    assert _rows(path) < 100
    await store.write(HistoryRow("other", begin, {"host/cpu": 1.0}))
    assert _rows(path) < 101
    assert store.trouble.value is None


async def test_a_cancelled_write_leaves_the_store_whole(store: Store, path: Path) -> None:
    writing = asyncio.create_task(store.write(HistoryRow("xub", past(100), {"host/cpu": 1.0})))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await store.write(HistoryRow("xub", past(50), {"host/cpu": 1.0}))
    assert _rows(path) in (1, 2)
    assert store.trouble.value is None


def test_the_file_is_for_its_owner_only(store: Store, path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0


async def test_an_hour_of_eight_gpus_makes_a_small_file(store: Store, path: Path) -> None:
    means = dict(readings(eight_gpus()))
    begin = past(3600)
    await asyncio.gather(*(store.write(HistoryRow("big", begin + n * WIDTH, means)) for n in range(360)))
    store.close()
    assert os.path.getsize(path) < 150_000  # noqa: ASYNC240
