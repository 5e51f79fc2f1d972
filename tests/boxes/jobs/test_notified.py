"""Endings: which are news on this machine, through restarts, windows, and a disk that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.boxes.jobs.notified import NotifiedJobs
from gpubox.config.settings import HistorySettings
from gpubox.core.record import Record
from gpubox.store.store import Store
from tests.boxes.jobs.backend import ended, job

OLD, NEW = ended(job(1), 4000.0), ended(job(2), 6000.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "history.sqlite", HistorySettings()) as opened:
        yield opened


def ids(records: tuple[Record, ...]) -> list[str]:
    return [record.id for record in records]


async def test_what_ended_before_the_box_was_seen_is_nobodys_news(store: Store) -> None:
    notified = NotifiedJobs("xub", store)
    assert await notified.new([OLD], 5000.0) == ()
    assert ids(await notified.new([NEW, OLD], 6001.0)) == [NEW.id]


async def test_when_the_box_was_seen_first_is_remembered(store: Store) -> None:
    await NotifiedJobs("xub", store).begin(5000.0)
    assert ids(await NotifiedJobs("xub", store).new([NEW, OLD], 9000.0)) == [NEW.id]
    assert await NotifiedJobs("other", store).new([NEW, OLD], 9000.0) == ()


async def test_what_was_reported_is_not_news_after_a_restart(store: Store) -> None:
    notified = NotifiedJobs("xub", store)
    await notified.begin(5000.0)
    assert await notified.claim([NEW.id]) == {NEW.id}
    assert await notified.new([NEW], 7000.0) == ()
    assert await NotifiedJobs("xub", store).new([NEW], 7000.0) == ()


async def test_what_another_window_reported_is_not_news_here(store: Store) -> None:
    first, second = NotifiedJobs("xub", store), NotifiedJobs("xub", store)
    await first.begin(5000.0)
    await second.begin(5000.0)
    assert await first.claim([NEW.id]) == {NEW.id}
    assert await second.new([NEW], 7000.0) == ()


async def test_an_ending_that_two_windows_see_at_once_is_named_by_one(store: Store) -> None:
    first, second = NotifiedJobs("xub", store), NotifiedJobs("xub", store)
    for window in (first, second):
        await window.begin(5000.0)
        assert ids(await window.new([NEW], 7000.0)) == [NEW.id]
    assert await first.claim([NEW.id]) == {NEW.id}
    assert await second.claim([NEW.id]) == set()


async def test_only_the_first_window_acts_on_an_ending(store: Store) -> None:
    first, second = NotifiedJobs("xub", store), NotifiedJobs("xub", store)
    assert [await first.claim_hook("a"), await second.claim_hook("a"), await second.claim_hook("b")] == [
        True,
        False,
        True,
    ]
    assert await NotifiedJobs("xub", None).claim_hook("a")


async def test_a_job_that_was_seen_at_work_is_news_whatever_its_end_is_dated() -> None:
    notified = NotifiedJobs("xub", None)
    assert await notified.new([job(1)], 5000.0) == ()
    assert ids(await notified.new([OLD], 5001.0)) == [OLD.id]  # the box rebooted: its last sign counts


async def test_a_disk_that_does_not_answer_is_asked_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await NotifiedJobs("xub", store).begin(1000.0)

    async def silent(box: str, now: float) -> None:
        return None

    notified = NotifiedJobs("xub", store)
    with monkeypatch.context() as patch:
        patch.setattr(store.events, "first_seen", silent)
        assert await notified.new([OLD], 5000.0) == ()
    assert ids(await notified.new([OLD], 5001.0)) == [OLD.id]
