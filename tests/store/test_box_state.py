"""Small things remembered of each box: the newest stay, the oldest go, and boxes do not mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpubox.common.tiers import HistoryRow
from gpubox.config.settings import HistorySettings
from gpubox.core.target import Target
from gpubox.store import box_state
from gpubox.store.store import Store

pytestmark = pytest.mark.usefixtures("ticking")


async def test_commands_come_last_used_first_and_each_once(store: Store) -> None:
    for line in ("a", "b", "a"):
        await store.state.add_command("xub", line)
    await store.state.add_command("other", "c")
    assert await store.state.commands("xub") == ["a", "b"]


async def test_the_longest_unused_commands_are_forgotten(store: Store) -> None:
    for number in range(box_state.MOST + 5):
        await store.state.add_command("xub", f"run {number}")
    found = await store.state.commands("xub")
    assert (len(found), found[0], found[-1]) == (box_state.MOST, f"run {box_state.MOST + 4}", "run 5")


async def test_a_choice_is_preserved_changed_and_taken_back(store: Store) -> None:
    assert await store.state.chosen_env("xub") == ""
    for prefix in ("/envs/a", "/envs/b"):
        await store.state.choose_env("xub", prefix)
        assert await store.state.chosen_env("xub") == prefix
    await store.state.choose_env("xub", "")
    assert (await store.state.chosen_env("xub"), await store.state.chosen_env("other")) == ("", "")


async def test_a_disk_that_is_gone_stops_nothing(store: Store) -> None:
    store.close()
    await store.state.add_command("xub", "a")
    assert await store.state.commands("xub") == []


async def test_a_box_is_new_once_and_not_after_its_history_was_recorded(store: Store) -> None:
    assert [store.state.remember(Target("attic", "ssh")) for _ in range(2)] == [True, False]
    await store.history.write(HistoryRow("cellar", 1_700_000_000, {"host/cpu": 1.0}))
    assert not store.state.remember(Target("cellar", "ssh"))
    assert store.state.recent() == ["cellar", "attic"]


def test_on_a_disk_that_does_not_answer_no_box_is_new(tmp_path: Path) -> None:
    with Store(tmp_path, HistorySettings()) as store:  # a folder is no database
        assert not store.state.remember(Target("attic", "ssh"))
