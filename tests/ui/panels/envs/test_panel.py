"""Environments: listed with what they were built for, chosen, compared, made and removed."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from gpubox.core.env import Build, Envs, Package
from gpubox.core.errors import RemoteError
from gpubox.ui import poller
from gpubox.ui.draw.table import Table
from gpubox.ui.panels.envs.packages import EnvPackages
from gpubox.ui.panels.envs.panel import EnvsPanel
from gpubox.ui.panels.envs.table import newer, short
from gpubox.ui.widgets.list_filter import ListFilter
from tests.ui.envs import (
    ALL,
    BROKEN,
    HOSTILE,
    TF_CPU,
    TF_GPU,
    TORCH,
    FakeEnvs,
    come_to,
    envs_of,
    line,
    toasts,
)
from tests.ui.fakes import until
from tests.ui.stage import Stage, same_picture

pytestmark = pytest.mark.usefixtures("clock")


async def test_each_environment_says_what_it_was_built_for_and_what_it_sees() -> None:
    async with envs_of(FakeEnvs(*ALL)) as (stage, _, _):
        assert "tensorflow 2.15 CUDA 12.2" in line(stage, "tf-gpu")
        assert "sees 1 GPU" in line(stage, "tf-gpu")
        assert "tensorflow 2.15 CPU" in line(stage, "tf-cpu")
        assert "says CPU" in line(stage, "tf-cpu")
        assert "sees none" in line(stage, "torch 2.4 CUDA 12.1")
        assert "CUDA 12.3, libraries missing" in line(stage, "jax")
        assert "driver" in line(stage, "nightly")
        assert "broken" in line(stage, "old")
        assert "7 found" in stage.text


async def test_what_is_wrong_with_the_one_under_the_cursor_is_reported() -> None:
    async with envs_of(FakeEnvs(*ALL)) as (stage, pilot, _):
        await come_to(stage, pilot, "old")
        assert "Broken: its python is gone" in stage.text
        await come_to(stage, pilot, "torch")
        assert "It sees no GPU: CUDA driver initialization failed" in stage.text
        await come_to(stage, pilot, "nightly")
        assert "wants CUDA 99.0; the driver runs at most" in stage.text


async def test_the_row_under_the_cursor_stays_in_sight_when_more_is_said_of_it() -> None:
    async with envs_of(FakeEnvs(*ALL), size=(100, 8)) as (stage, pilot, _):
        for key in ("end", "home", "end"):
            await pilot.press(key)
            await pilot.pause()
        assert stage.panel.chosen is TORCH
        await until(pilot, lambda: "torch 2.4 CUDA 12.1" in stage.painted())


async def test_enter_uses_an_environment_and_enter_again_none() -> None:
    envs = FakeEnvs(TF_CPU, TF_GPU)
    async with envs_of(envs) as (stage, pilot, _):
        await come_to(stage, pilot, "tf-gpu")
        await pilot.press("enter")
        await until(pilot, lambda: envs.chosen.value is TF_GPU)
        assert "●" in line(stage, "tf-gpu")
        assert "uses tf-gpu" in stage.text
        await pilot.press("enter")
        await until(pilot, lambda: envs.chosen.value is None)
        assert "●" not in stage.text


async def test_a_chosen_one_that_is_gone_is_reported() -> None:
    envs = FakeEnvs(TF_CPU)
    envs.trouble.put(RemoteError("The chosen environment cannot be used", "/envs/x is not there any more"))
    async with envs_of(envs) as (stage, pilot, _):
        await until(pilot, lambda: "/envs/x is not there any more" in stage.text)


async def test_a_broken_environment_cannot_be_used_but_removed() -> None:
    async with envs_of(FakeEnvs(BROKEN)) as (stage, _, _):
        assert not stage.panel.check_action("use", ())
        assert not stage.panel.check_action("do", ("install",))
        assert stage.panel.check_action("do", ("remove",))


async def test_packages_are_listed_and_narrowed() -> None:
    envs = FakeEnvs(TORCH)
    envs.lists["torch"] = (
        Package("numpy", "2.0", "py311", "conda-forge"),
        Package("torch", "2.4.1", "", "pypi"),
    )
    async with envs_of(envs) as (stage, pilot, _):
        await pilot.press("d")
        await until(pilot, lambda: isinstance(stage.screen, EnvPackages) and "numpy" in stage.window)
        assert "conda-forge" in stage.window
        await pilot.press("slash", *"tor")
        await until(pilot, lambda: "numpy" not in stage.window)
        assert "torch" in stage.window
        await pilot.press("escape")
        await until(pilot, lambda: "numpy" in stage.window)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(stage.screen, EnvPackages))


async def test_a_filter_that_was_left_empty_is_gone() -> None:
    envs = FakeEnvs(TORCH)
    envs.lists["torch"] = (Package("numpy", "2.0"),)
    async with envs_of(envs) as (stage, pilot, _):
        await pilot.press("d")
        await until(pilot, lambda: isinstance(stage.screen, EnvPackages) and "numpy" in stage.window)
        words = stage.screen.query_one(ListFilter)
        await pilot.press("slash")
        await until(pilot, lambda: words.has_focus and words.display)
        await pilot.press("enter")
        await until(pilot, lambda: stage.screen.query_one(Table).has_focus)
        assert not words.display
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(stage.screen, EnvPackages))


async def test_a_broken_environment_without_packages_opens_no_empty_table() -> None:
    async with envs_of(FakeEnvs(replace(BROKEN, packages=0))) as (stage, pilot, _):
        await pilot.press("d")
        await until(pilot, lambda: "old is broken: its python is gone" in toasts(stage))
        assert not isinstance(stage.screen, EnvPackages)


async def test_two_marked_ones_show_what_differs() -> None:
    envs = FakeEnvs(TF_CPU, TF_GPU)
    envs.lists["tf-gpu"] = (
        Package("numpy", "2.0"),
        Package("tensorflow", "2.15", "cuda"),
        Package("cudnn", "9"),
    )
    # As the command line has it, a build that only one side knows is no difference.
    envs.lists["tf-cpu"] = (Package("numpy", "2.0", "py311h1"), Package("tensorflow", "2.15", "cpu"))
    async with envs_of(envs) as (stage, pilot, _):
        await pilot.press("space", "space")
        assert "2 marked" in stage.text
        await pilot.press("c")
        await until(pilot, lambda: "cudnn" in stage.window)
        assert "not there" in stage.window
        assert "numpy" not in stage.window
        await pilot.press("a")
        await until(pilot, lambda: "numpy" in stage.window)


async def test_the_size_is_counted_when_asked_for() -> None:
    async with envs_of(FakeEnvs(TF_CPU)) as (stage, pilot, _):
        assert "3.0G" not in stage.text
        await pilot.press("z")
        await until(pilot, lambda: "3.0G" in stage.text)


async def test_why_nothing_can_be_found_stands_in_the_panel() -> None:
    envs = FakeEnvs()
    envs.error = RemoteError("No Python", "The box has no Python 3.8 or newer", "Install one")
    async with envs_of(envs) as (stage, pilot, _):
        await until(pilot, lambda: "The box has no Python 3.8" in stage.text)


async def test_what_could_not_be_looked_at_in_time_is_reported() -> None:
    envs = FakeEnvs(TF_CPU)
    found = envs.feed.value
    assert found is not None
    envs.feed.put(replace(found, partial="Not all was searched in time: /data\x1b[2J"))
    async with envs_of(envs) as (stage, pilot, _):
        await until(pilot, lambda: "searched in time: /data\ufffd[2J" in stage.text)
        envs.feed.put(found)
        await until(pilot, lambda: "in time" not in stage.text)


class SlowEnvs(FakeEnvs):
    """Environments on a disk that answers when the test says so."""

    answered: asyncio.Event | None = None

    async def find(self) -> Envs:
        if self.answered is not None:
            await self.answered.wait()
        return await super().find()


async def test_a_slow_look_is_reported_and_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "USUAL", -1.0)
    envs = SlowEnvs(TF_CPU, TF_GPU)
    async with envs_of(envs) as (stage, pilot, _):
        envs.answered = asyncio.Event()
        stage.panel.opened_by_key(again=True)
        await until(pilot, lambda: "looking …" in stage.text)
        await pilot.press("space", "enter")
        await until(pilot, lambda: len(stage.panel.marked) == 1 and envs.chosen.value is not None)
        envs.answered.set()
        await until(pilot, lambda: "looking …" not in stage.text)


async def test_a_mark_goes_with_its_environment() -> None:
    envs = FakeEnvs(TF_CPU, TF_GPU)
    async with envs_of(envs) as (stage, pilot, _):
        await pilot.press("space")
        assert "clear" in actions(stage)
        found = envs.feed.value
        assert found is not None
        envs.feed.put(replace(found, envs=(TF_GPU,)))
        await until(pilot, lambda: "clear" not in actions(stage))


def actions(stage: Stage[EnvsPanel]) -> set[str]:
    """What can be done now."""
    return {one.binding.action for one in stage.screen.active_bindings.values() if one.enabled}


async def test_a_hostile_name_is_drawn_as_text() -> None:
    async with envs_of(FakeEnvs(HOSTILE)) as (stage, pilot, _):
        assert "[red]x[/]" in stage.painted()
        assert "\x1b" not in stage.painted()
        await pilot.press("space", "d")
        await until(pilot, lambda: isinstance(stage.screen, EnvPackages))
        assert "[red]x[/]" in stage.painted()


@pytest.mark.parametrize("size", [(80, 12), (118, 16), (198, 20)])
async def test_pictures_of_the_list(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    envs = FakeEnvs(*ALL)
    envs.chosen.put(TF_GPU)
    async with envs_of(envs, size) as (stage, pilot, _):
        await come_to(stage, pilot, "torch")
        same_picture(stage, snapshot)


def test_only_another_major_version_of_cuda_is_too_new() -> None:
    assert newer(Build("torch", cuda="13.0"), "12.4")
    assert not newer(Build("torch", cuda="12.8"), "12.4")
    assert not newer(Build("torch", cuda=""), "12.4")
    assert not newer(Build("torch", cuda="13"), "")


def test_versions_are_said_in_two_parts() -> None:
    assert [short(text) for text in ("2.4.1+cu121", "0.4.30", "2", "")] == ["2.4", "0.4", "2", ""]
