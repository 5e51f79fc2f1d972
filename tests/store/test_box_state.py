"""Small things remembered of each box: the newest stay, the oldest go, and boxes do not mix."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.config.settings import HistorySettings
from gpubox.store import box_state
from gpubox.store.store import Store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    ticks = iter(range(1, 100_000))
    monkeypatch.setattr(box_state.time, "time", lambda: float(next(ticks)))
    with Store(tmp_path / "history.sqlite", HistorySettings()) as opened:
        yield opened


async def test_commands_come_last_used_first_and_each_once(store: Store) -> None:
    for line in ("a", "b", "a"):
        await store.keep_command("xub", line)
    await store.keep_command("other", "c")
    assert await store.commands("xub") == ["a", "b"]


async def test_the_longest_unused_commands_are_forgotten(store: Store) -> None:
    for number in range(box_state.MOST + 5):
        await store.keep_command("xub", f"run {number}")
    found = await store.commands("xub")
    assert (len(found), found[0], found[-1]) == (box_state.MOST, f"run {box_state.MOST + 4}", "run 5")


async def test_when_a_box_was_seen_first_never_changes(store: Store) -> None:
    assert await store.told("xub", 5.0) == (5.0, set())
    assert await store.told("xub", 9.0) == (5.0, set())
    assert await store.told("xub", 1.0) == (5.0, set())
    assert await store.told("other", 9.0) == (9.0, set())


async def test_endings_that_were_told_are_remembered_for_each_box(store: Store) -> None:
    await store.keep_told("xub", ["one", "two", "two", ""])
    await store.keep_told("other", ["three"])
    assert await store.told("xub", 5.0) == (5.0, {"one", "two"})


async def test_the_oldest_endings_are_forgotten_but_not_when_the_box_was_seen_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_state, "ENDINGS", 3)
    await store.told("xub", 0.5)
    for number in range(6):
        await store.keep_told("xub", [str(number)])
    assert await store.told("xub", 9.0) == (0.5, {"3", "4", "5"})


async def test_an_ending_is_claimed_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_state, "ENDINGS", 3)
    with Store(tmp_path / "history.sqlite", HistorySettings()) as window:
        assert [await store.claim("xub", "a"), await window.claim("xub", "a")] == [True, False]
        assert await window.claim("other", "a")
    for number in range(3):
        assert await store.claim("xub", str(number))
    assert await store.claim("xub", "a")  # forgotten by now


async def test_a_choice_is_kept_changed_and_taken_back(store: Store) -> None:
    assert await store.choice("xub") == ""
    for prefix in ("/envs/a", "/envs/b"):
        await store.keep_choice("xub", prefix)
        assert await store.choice("xub") == prefix
    await store.keep_choice("xub", "")
    assert (await store.choice("xub"), await store.choice("other")) == ("", "")


async def test_a_disk_that_is_gone_stops_nothing(store: Store) -> None:
    store.close()
    await store.keep_command("xub", "a")
    await store.keep_told("xub", ["a"])
    assert await store.commands("xub") == []
    assert await store.told("xub", 5.0) is None
    assert await store.claim("xub", "a")
