"""Keys that come together act in the order in which they were typed."""

from __future__ import annotations

import pytest
from textual import events
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from gpubox.ui import key_order
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.panel import Panel
from gpubox.ui.panels.desktop.panel import DesktopPanel
from gpubox.ui.panels.envs.panel import EnvsPanel
from gpubox.ui.panels.jobs.panel import JobsPanel
from gpubox.ui.panels.processes.panel import Processes
from gpubox.ui.panels.tunnels.panel import TunnelsPanel
from gpubox.ui.screens.picker import PickerScreen
from tests import samples
from tests.ui.fakes import burst, make_app, make_box, until
from tests.ui.stage import on_stage
from tests.ui.test_modal_guard import equipped


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no widget pass for removed because the machine is busy."""
    monkeypatch.setattr(key_order, "_PATIENCE", 60.0)


FORMS = [EnvsPanel, JobsPanel, TunnelsPanel, DesktopPanel]


def focused(stage: App[None]) -> Input:
    field = stage.screen.focused
    assert isinstance(field, Input)
    return field


@pytest.mark.parametrize("panel", FORMS)
@pytest.mark.parametrize(
    ("before", "keys", "after"),
    [
        ("abc", ("ctrl+u", "x", "y", "z"), "xyz"),
        ("abc", ("home", "X", "Y", "1"), "XY1abc"),
        ("", ("a", "b", "c", "home", "X", "end", "backspace", "Z"), "XabZ"),
        ("", (*"one two", "ctrl+w", *"three"), "one three"),
    ],
    ids=["ctrl+u", "home", "both ways", "ctrl+w"],
)
async def test_a_form_takes_keys_and_text_of_one_burst_in_order(
    panel: type[Panel], before: str, keys: tuple[str, ...], after: str
) -> None:
    async with on_stage(panel, samples.training_box(), (118, 30), box=equipped()) as (stage, pilot):
        await until(pilot, lambda: "Looking" not in stage.text)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(stage.screen.focused, Input))
        field = focused(stage)
        field.value = before
        field.cursor_position = len(before)
        burst(stage, *keys)
        await until(pilot, lambda: field.value == after)


async def test_letters_behind_the_key_of_a_filter_are_its_words() -> None:
    async with on_stage(Processes, samples.training_box(), (118, 30), box=equipped()) as (stage, pilot):
        burst(stage, "slash", *"python", "enter", "m")
        await until(pilot, lambda: stage.panel.words == "python")
        assert not isinstance(stage.screen.focused, Input)


async def test_a_paste_stays_between_the_keys_around_it() -> None:
    async with on_stage(JobsPanel, samples.training_box(), (118, 30), box=equipped()) as (stage, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(stage.screen.focused, Input))
        burst(stage, "ctrl+u", "a")
        stage.post_message(events.Paste("bc"))
        burst(stage, "home", "d")
        await until(pilot, lambda: focused(stage).value == "dabc")


async def picked(pilot: Pilot[None], app: GpuBoxApp, *keys: str) -> str:
    names: list[str] = []
    app.show_box = lambda target: names.append(target.name)  # pyright: ignore[reportAttributeAccessIssue]
    await until(pilot, lambda: isinstance(app.screen, PickerScreen) and app.screen.focused)
    burst(app, *keys)
    await until(pilot, lambda: names)
    return names[0]


@pytest.mark.parametrize(("keys", "name"), [(("down", "enter"), "lab-h100"), ((*"dem", "enter"), "demo")])
async def test_the_list_of_boxes_opens_what_was_marked_or_typed_just_before(
    keys: tuple[str, ...], name: str
) -> None:
    app = make_app(make_box(samples.training_box()), picker=True)
    async with app.run_test(size=(100, 30)) as pilot:
        assert await picked(pilot, app, *keys) == name
