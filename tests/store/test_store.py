"""What was seen comes back after a restart, and a bad disk costs nothing but that."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.common.series import readings
from gpubox.common.tiers import HistoryRow
from gpubox.config.settings import HistorySettings
from gpubox.core.history import History
from gpubox.core.target import Target
from gpubox.store import history as history_module
from gpubox.store.box_state import RECENT
from gpubox.store.history import WIDTH
from gpubox.store.store import Store
from tests.boxes.scripted import ScriptedLink, until
from tests.hang import LIMIT
from tests.samples import eight_gpus, training_box
from tests.store.files import SETTINGS, past, rows_in


def values(history: History, key: str, seconds: int = 3600) -> list[float]:
    return [value for value in history.window(key, time.time(), seconds, seconds) if value is not None]


async def test_what_was_seen_comes_back_after_a_restart(store: Store, path: Path) -> None:
    means = dict(readings(training_box()))
    begin = past()
    for step in range(3):
        await store.history.write(HistoryRow("xub", begin + step * WIDTH, means))
    await store.history.write(HistoryRow("other", begin, {"host/cpu": 1.0}))
    store.close()
    history = History()
    with Store.open(SETTINGS, path) as again:
        await again.history.load("xub", history)
    assert set(history.keys()) == set(means)
    for key, value in means.items():
        assert values(history, key) == pytest.approx([value] * 30, abs=0.06)


async def test_nothing_older_than_an_hour_is_read_and_old_rows_are_deleted(path: Path) -> None:
    with Store(path, HistorySettings(days=1)) as store:
        await store.history.write(
            HistoryRow("xub", past(2 * 86_400), {"host/cpu": 1.0})
        )  # the first write prunes too
        await store.history.write(HistoryRow("xub", past(7200), {"host/cpu": 2.0}))
        await store.history.write(HistoryRow("xub", past(30), {"host/cpu": 3.0}))
        history = History()
        await store.history.load("xub", history)
    assert values(history, "host/cpu") == [3.0] * WIDTH
    with sqlite3.connect(path) as connection:
        assert [second for (second,) in connection.execute("SELECT second FROM mean_10")] == [
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
                for one in (store.history, second.history)
            )
        )
        assert store.trouble.value is None
        assert second.trouble.value is None
        history = History()
        await second.history.load("xub", history)
    assert values(history, "host/cpu") == [5.0] * 400


async def test_the_last_used_boxes_come_first(store: Store, path: Path) -> None:
    for name in ("attic", "cellar", "attic", "demo"):
        store.state.remember(Target(name, "ssh"))
    assert store.state.recent() == ["demo", "attic", "cellar"]
    for number in range(RECENT + 5):
        store.state.remember(Target(f"gpu{number}", "ssh"))
    await store.history.write(HistoryRow("xub", past(), {"host/cpu": 1.0}))
    with Store.open(SETTINGS, path) as again:
        assert len(again.state.recent()) == RECENT
        assert "attic" not in again.state.recent()


async def test_a_box_begins_with_what_was_seen_before_and_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.history.write(HistoryRow("xub", past(100), {"host/cpu": 77.0}))
    link = ScriptedLink()
    box = Box(BoxContext(Target("xub", "ssh"), store=store), link)
    monkeypatch.setattr(history_module, "WIDTH", 1)
    keeping = asyncio.create_task(box.keep())
    try:
        await until(lambda: link.shell.channels)
        assert values(box.history, "host/cpu") == [77.0] * WIDTH
        link.shell.channel.sample(training_box())
        await until(lambda: box.sample.value)
        assert values(box.history, "host/cpu")[-1] == training_box().host.cpu
        await until(lambda: rows_in(store.path) >= 2)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_history_that_is_not_expected_is_not_written(path: Path) -> None:
    with Store(path, HistorySettings(keep=False)) as store:
        await asyncio.wait_for(store.history.keep("xub", History()), LIMIT)  # it ends at once
        store.state.remember(Target("attic", "ssh"))
        assert store.state.recent() == ["attic"]


async def test_a_box_that_renames_its_gpus_all_the_time_fills_no_disk(store: Store, path: Path) -> None:
    begin = past(3000)
    for number in range(200):
        await store.history.write(HistoryRow("xub", begin + number * WIDTH, {f"gpu/{number}/util": 1.0}))
    assert rows_in(path) < 100
    await store.history.write(HistoryRow("other", begin, {"host/cpu": 1.0}))
    assert rows_in(path) < 101
    assert store.trouble.value is None


async def test_a_cancelled_write_leaves_the_store_whole(store: Store, path: Path) -> None:
    writing = asyncio.create_task(store.history.write(HistoryRow("xub", past(100), {"host/cpu": 1.0})))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await store.history.write(HistoryRow("xub", past(50), {"host/cpu": 1.0}))
    assert rows_in(path) in (1, 2)
    assert store.trouble.value is None


def test_the_file_is_for_its_owner_only(store: Store, path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0


async def test_an_hour_of_eight_gpus_makes_a_small_file(store: Store, path: Path) -> None:
    means = dict(readings(eight_gpus()))
    begin = past(3600)
    rows = [HistoryRow("big", begin + n * WIDTH, means) for n in range(360)]
    await asyncio.gather(*(store.history.write(row) for row in rows))
    store.close()
    assert os.path.getsize(path) < 150_000  # noqa: ASYNC240
