"""Events: each belongs to who claims it first, in all running programs and over restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpubox.config.settings import HistorySettings
from gpubox.store import events
from gpubox.store.store import Store

pytestmark = pytest.mark.usefixtures("ticking")


async def test_when_a_box_was_seen_first_never_changes(store: Store) -> None:
    assert [await store.events.first_seen("xub", now) for now in (5.0, 9.0, 1.0)] == [5.0, 5.0, 5.0]
    assert await store.events.first_seen("other", 9.0) == 9.0


async def test_an_event_is_claimed_once_by_all_programs_together(store: Store, path: Path) -> None:
    with Store(path, HistorySettings()) as window:
        assert await store.events.claim("xub", "job ended", ["a", "b"]) == {"a", "b"}
        assert await window.events.claim("xub", "job ended", ["b", "c"]) == {"c"}
        assert await window.events.claimed("xub", "job ended") == {"a", "b", "c"}
    with Store(path, HistorySettings()) as later:
        assert await later.events.claim("xub", "job ended", ["a", "b", "c"]) == set()


async def test_boxes_and_kinds_do_not_mix(store: Store) -> None:
    assert await store.events.claim("xub", "job ended", ["a"]) == {"a"}
    assert await store.events.claim("other", "job ended", ["a"]) == {"a"}
    assert await store.events.claim("xub", "job hook", ["a"]) == {"a"}
    assert await store.events.claimed("other", "job hook") == set()


async def test_the_oldest_events_are_forgotten_but_not_when_the_box_was_seen_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST", 3)
    await store.events.first_seen("xub", 0.5)
    for number in range(6):
        await store.events.claim("xub", "job ended", [str(number)])
    assert await store.events.claimed("xub", "job ended") == {"3", "4", "5"}
    assert await store.events.first_seen("xub", 9.0) == 0.5


async def test_without_a_disk_everything_is_reported(store: Store) -> None:
    store.close()
    assert await store.events.claim("xub", "job ended", ["a"]) == {"a"}
    assert await store.events.claimed("xub", "job ended") is None
    assert await store.events.first_seen("xub", 5.0) is None
