"""When jobs are looked at: for a reason, as often as it takes, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from gpubox.agent.program_cache import NoPython
from gpubox.boxes.jobs import jobs as jobs_module
from gpubox.boxes.jobs import poller
from gpubox.config.settings import HistorySettings, JobSettings
from gpubox.core.record import Record
from gpubox.store.store import Store
from tests.boxes.jobs.backend import ended, job
from tests.boxes.jobs.windows import BUSY, Saved
from tests.boxes.scripted import ScriptedShell, until


async def some_time() -> None:
    """Wait as long as a box with a job at work is looked at six times."""
    other = Saved(job(1))
    async with other.keep(), other.jobs.watch():
        await until(lambda: other.looks > 6)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE", "WATCHED", "AGAIN"):
        monkeypatch.setattr(poller, name, 0.01)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "history.sqlite", HistorySettings()) as opened:
        yield opened


async def test_each_new_link_is_a_reason_to_look() -> None:
    saved = Saved(job(1))
    async with saved.keep():
        await until(lambda: saved.looks == 1)
        saved.shell.put(None)
        saved.shell.put(ScriptedShell())
        await until(lambda: saved.looks == 2)


async def test_the_first_change_received_of_is_old_news_and_each_other_one_a_reason() -> None:
    saved = Saved(job(1))
    saved.shell.put(None)
    async with saved.keep():
        saved.change(10.0)
        await asyncio.sleep(0)
        saved.shell.put(ScriptedShell())
        await until(lambda: saved.looks == 1)
        saved.change(10.0)
        saved.change(11.0)
        await until(lambda: saved.looks == 2)
        saved.change(11.0)
        saved.change(12.0)
        await until(lambda: saved.looks == 3)


async def test_running_jobs_are_looked_at_while_somebody_watches_and_not_after() -> None:
    saved = Saved(job(1))
    async with saved.keep():
        await until(lambda: saved.looks == 1)
        async with saved.jobs.watch(), saved.jobs.watch():
            await until(lambda: saved.looks > 4)
        before = saved.looks
        saved.change(1.0)
        await until(lambda: saved.looks > before)
        saved.backend.records[job(1).id] = ended(job(1))
        saved.change(2.0)
        await until(lambda: saved.jobs.feed.value[0].state == "ended")
        before = saved.looks
        async with saved.jobs.watch():
            await some_time()
        assert saved.looks == before


async def test_a_box_without_python_is_asked_once_for_each_link() -> None:
    saved = Saved(job(1))
    saved.backend.fails += [NoPython("No Python on the box")] * 50
    async with saved.keep(), saved.jobs.watch():
        await until(lambda: saved.looks == 1)
        saved.change(1.0)
        saved.change(2.0)
        await some_time()
        assert saved.looks == 1
        assert isinstance(saved.jobs.trouble.value, NoPython)
        saved.shell.put(ScriptedShell())
        await until(lambda: saved.looks == 2)


async def test_a_busy_box_is_asked_again_by_itself() -> None:
    saved = Saved(job(1))
    saved.backend.fails += [BUSY, BUSY]
    async with saved.keep():
        await until(lambda: saved.jobs.looked)
    assert saved.jobs.trouble.value is None


async def test_the_own_command_runs_once_for_an_ending_in_two_windows(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    async def run(command: str, box: str, record: Record) -> None:
        ran.append(f"{command} {box} {record.id}")

    monkeypatch.setattr(jobs_module.hooks, "run", run)
    settings = JobSettings(notify_command="tell")
    quiet = job(3, spec=replace(job(3).spec, notify=False))
    windows = [Saved(job(1), job(2), quiet, store=store, settings=settings) for _ in range(2)]
    async with windows[0].keep(), windows[1].keep():
        for window in windows:
            await until(lambda window=window: window.jobs.looked)
            for record in (job(1), quiet):
                window.backend.records[record.id] = ended(record, 6000.0)
            await window.jobs.look()
            await window.jobs.claim_endings([job(1).id, quiet.id])  # the toast comes first
        for window in windows:
            window.backend.records[job(2).id] = ended(job(2), 6001.0)
            await window.jobs.look()
        await until(lambda: len(ran) == 2)
    assert ran == [f"tell xub {job(1).id}", f"tell xub {job(2).id}"]
