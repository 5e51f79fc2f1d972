"""Keys that are typed faster than the window comes that they are meant for."""

from __future__ import annotations

import asyncio

import pytest
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.core.prompts import Question
from gpubox.core.record import Record
from gpubox.ui import modal_guard
from gpubox.ui.panel import Panel
from gpubox.ui.panels.desktop.panel import DesktopPanel
from gpubox.ui.panels.envs.form import EnvForm
from gpubox.ui.panels.envs.panel import EnvsPanel
from gpubox.ui.panels.jobs.form import JobForm
from gpubox.ui.panels.jobs.panel import JobsPanel
from gpubox.ui.panels.processes.panel import Processes
from gpubox.ui.panels.tunnels.panel import TunnelsPanel
from tests import samples
from tests.ui.channels import MINE, FakeDesktops, furnish
from tests.ui.envs import TF_CPU, TF_GPU, FakeEnvs, envs_of, equip
from tests.ui.fakes import Clock, burst, make_box, until
from tests.ui.jobs import RUNNING, FakeJobs, employ
from tests.ui.stage import on_stage


def equipped() -> Box:
    """A box with an environment, a job and a desktop."""
    box = furnish(make_box(samples.training_box()), FakeDesktops(MINE))
    return equip(employ(box, FakeJobs(RUNNING)), FakeEnvs(TF_CPU))


def reported(part: type[Panel] | tuple[str, ...]) -> str:
    return "".join(part) if isinstance(part, tuple) else part.NAME


@pytest.mark.parametrize(
    ("panel", "keys"),
    [
        (EnvsPanel, ("n", "n")),
        (EnvsPanel, ("n", "C", "n")),
        (JobsPanel, ("n", "n")),
        (JobsPanel, ("E", "n", "E")),
        (TunnelsPanel, ("n", "n")),
        (DesktopPanel, ("n", "n")),
        (Processes, ("x", "i", "x")),
    ],
    ids=reported,
)
async def test_a_burst_of_keys_opens_one_window(panel: type[Panel], keys: tuple[str, ...]) -> None:
    async with on_stage(panel, samples.training_box(), (118, 30), box=equipped()) as (stage, pilot):
        await until(pilot, lambda: "Looking" not in stage.text)
        burst(stage, *keys)
        await until(pilot, lambda: len(stage.screen_stack) > 1)
        await settled(pilot)
        assert len(stage.screen_stack) == 2


async def settled(pilot: Pilot[None]) -> None:
    """Wait until nothing is left to be done that a key has begun."""
    for _ in range(10):
        await pilot.pause()


async def test_keys_for_a_window_that_is_on_its_way_do_nothing_below_it() -> None:
    envs = FakeEnvs(TF_CPU, TF_GPU)
    async with envs_of(envs) as (stage, pilot, _):
        burst(stage, "n", "space", "down", "enter")
        await until(pilot, lambda: isinstance(stage.screen, EnvForm))
        await settled(pilot)
        assert not stage.panel.marked
        assert envs.chosen.value is None


async def test_one_question_is_asked_for_two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    async with envs_of(FakeEnvs(TF_CPU)) as (stage, pilot, _):
        answered = asyncio.Event()

        async def ask(question: Question) -> None:
            stage.asked.append(question)
            await answered.wait()

        monkeypatch.setattr(stage, "ask", ask)
        burst(stage, "x", "R")
        await until(pilot, lambda: stage.asked)
        await settled(pilot)
        assert [question.title for question in stage.asked] == ["Remove tf-cpu?"]
        answered.set()
        await settled(pilot)
        await pilot.press("R")
        await until(pilot, lambda: len(stage.asked) == 2)


class SlowJobs(FakeJobs):
    """Jobs of a box that says when it answers."""

    def __init__(self, *records: Record) -> None:
        super().__init__(*records)
        self.answered = asyncio.Event()

    async def show(self, job: str) -> Record:
        await self.answered.wait()
        return await super().show(job)


async def test_a_window_that_waits_for_the_box_holds_keys_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(modal_guard, "time", clock.namespace())
    jobs = SlowJobs(RUNNING)
    box = employ(make_box(samples.training_box()), jobs)
    async with on_stage(JobsPanel, samples.training_box(), (118, 30), box=box) as (stage, pilot):
        await until(pilot, lambda: "Looking" not in stage.text)
        await pilot.press("E", "space")
        assert not stage.panel.marked
        clock.passed += modal_guard.PATIENCE
        await pilot.press("space")
        assert stage.panel.marked
        await pilot.press("enter")
        await until(pilot, lambda: len(stage.screen_stack) == 2)
        jobs.answered.set()  # too late: the user has gone on
        await settled(pilot)
        assert not any(isinstance(screen, JobForm) for screen in stage.screen_stack)
