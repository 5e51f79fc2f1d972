"""The ends of jobs, reported by toasts: one for each, or one for many."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from gpubox.config.settings import JobSettings, Settings
from gpubox.core.record import Ending
from gpubox.ui.app import GpuBoxApp
from tests import samples
from tests.ui.fakes import Clock, make_app, make_box, until
from tests.ui.jobs import DONE, FAILED, FakeJobs, employ, ended

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def toasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All toasts so far, also those that have gone: they stay for seconds of the real clock."""
    said: list[str] = []
    show = GpuBoxApp.notify

    def noted(app: GpuBoxApp, message: str, **options: Any) -> None:
        said.append(message)
        show(app, message, **options)

    monkeypatch.setattr(GpuBoxApp, "notify", noted)
    return said


async def test_an_end_is_reported_once_also_of_jobs_that_ended_meanwhile() -> None:
    jobs = FakeJobs(DONE)
    quiet = replace(ended("quiet"), spec=replace(DONE.spec, notify=False, id="quiet"), id="quiet")
    jobs.finished.put((DONE, FAILED, quiet))
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: jobs.done)
        assert jobs.done == [f"told {DONE.id} {FAILED.id} quiet"]
        said = [one.message for one in app._notifications]
        assert "prepare ended: exit 0 after 10m 00s on GPU 1" in said
        assert "evaluate ended: exit 3 after 10m 00s on GPU 1" in said
        assert len(said) == 2


async def test_an_end_that_another_window_claimed_is_not_reported_here(toasts: list[str]) -> None:
    jobs = FakeJobs(DONE)
    jobs.elsewhere = {DONE.id}
    jobs.finished.put((DONE, FAILED))
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: toasts)
        assert toasts == ["evaluate ended: exit 3 after 10m 00s on GPU 1"]


async def test_many_ends_at_once_are_summed_up(clock: Clock, toasts: list[str]) -> None:
    jobs = FakeJobs(DONE)
    failed = [ended(f"again-{number}", "limit", None) for number in range(5)]
    stopped = replace(ended("halt"), ending=Ending("stopped", by="ada"))
    jobs.finished.put((DONE, stopped, *failed))
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: jobs.done)
        (said,) = app._notifications
        names = "again-0, again-1, again-2, 2 more"
        assert said.message == f"7 jobs ended: 1 ok, 1 stopped, 5 failed ({names})"
        assert said.severity == "error"
        clock.passed += 20
        jobs.finished.put((DONE, replace(DONE, id="b"), replace(DONE, id="c")))
        await until(pilot, lambda: toasts[1:])
        assert toasts[1:] == ["3 jobs ended: 3 ok"]


async def test_ends_shortly_after_each_other_take_one_toast_together() -> None:
    jobs = FakeJobs(DONE)
    app = make_app(employ(make_box(samples.training_box()), jobs))
    async with app.run_test(size=(80, 24)) as pilot:
        for count in range(1, 5):
            jobs.finished.put((replace(DONE, id=f"job-{count}"),))
            await until(pilot, lambda count=count: len(jobs.done) == count)
        assert [one.message for one in app._notifications] == ["4 jobs ended: 4 ok"]


async def test_settings_can_silence_the_ends() -> None:
    jobs = FakeJobs(DONE)
    jobs.finished.put((DONE,))
    settings = Settings(jobs=JobSettings(notify=False))
    app = make_app(employ(make_box(samples.training_box()), jobs), settings=settings)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: jobs.done)
        assert not app._notifications
