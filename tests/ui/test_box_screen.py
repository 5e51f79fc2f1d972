"""The frame of a box's screen: its state, its panels and its keys, with panels made for the test."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from gpubox.boxes.box import Box
from gpubox.core.errors import ConfigError, HostKeyChanged, ProbeError, Unreachable
from gpubox.core.link_state import Health, Phase
from gpubox.core.prompts import Asker
from gpubox.core.target import Target
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.panel import Panel
from gpubox.ui.panel_layout import PanelLayout, chosen
from gpubox.ui.panel_tabs import PanelTabs
from gpubox.ui.screens.box import REDRAW, BoxScreen
from gpubox.ui.status_bar import StatusBar
from gpubox.ui.widgets.key_footer import KeyFooter
from tests.samples import training_box
from tests.ui.conftest import SIZES
from tests.ui.fakes import LIVE, MONOTONIC, Clock, complete, link_of, make_app, make_box, until
from tests.ui.plain import Machine, Plain, Table, Tunnels

Poller = Callable[[GpuBoxApp], None]


pytestmark = pytest.mark.usefixtures("plain_panels")


def screen_of(app: GpuBoxApp) -> BoxScreen:
    assert isinstance(app.screen, BoxScreen)
    return app.screen


def state_of(app: GpuBoxApp) -> list[str]:
    return screen_of(app).query_one(StatusBar).render().plain.splitlines()


def shown(app: GpuBoxApp) -> list[str]:
    return [panel.NAME for panel in screen_of(app).query(Panel) if panel.display]


def focused(app: GpuBoxApp) -> str:
    panel = screen_of(app).query_one(PanelLayout).focused
    return panel.NAME if panel else ""


def panel_of(app: GpuBoxApp, name: str) -> Plain:
    return screen_of(app).query_one(f"#{name}", Plain)


def app_of(pilot: Pilot[None]) -> GpuBoxApp:
    assert isinstance(pilot.app, GpuBoxApp)
    return pilot.app


async def ready(pilot: Pilot[None]) -> GpuBoxApp:
    app = app_of(pilot)
    await until(pilot, lambda: complete(app) and focused(app) == "cards")
    return app


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((80, 24), ["cards", "rows"]),
        ((80, 42), ["cards", "rows", "machine", "past"]),
        ((120, 40), ["cards", "rows", "machine", "past", "tunnels"]),
        ((200, 24), ["cards", "rows", "machine"]),
        ((200, 50), ["cards", "rows", "machine", "past", "tunnels"]),
    ],
)
async def test_as_many_panels_are_shown_as_have_room(size: tuple[int, int], expected: list[str]) -> None:
    async with make_app(make_box(training_box())).run_test(size=size) as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: shown(app) == expected)
        everything = len(expected) == 5
        assert app.screen.query_one(PanelTabs).display is not everything


async def test_a_panel_is_not_displayed_before_there_is_room_for_it() -> None:
    async with make_app(make_box(training_box())).run_test(size=(80, 24)) as pilot:
        app = await ready(pilot)
        assert [panel.NAME for panel in app.screen.query(Plain) if panel.displayed_at_first] == ["cards"]


async def test_a_number_brings_a_waiting_panel_to_the_front_and_tab_goes_round() -> None:
    async with make_app(make_box(training_box())).run_test(size=(80, 24)) as pilot:
        app = await ready(pilot)
        await pilot.press("4")
        await until(pilot, lambda: focused(app) == "past")
        assert shown(app) == ["cards", "past"]
        await pilot.press("tab")
        await until(pilot, lambda: focused(app) == "tunnels")
        await pilot.press("tab")
        await until(pilot, lambda: focused(app) == "cards")
        await pilot.press("shift+tab")
        await until(pilot, lambda: focused(app) == "tunnels")
        assert shown(app) == ["cards", "tunnels"]


async def test_a_click_on_a_name_or_a_panel_moves_there() -> None:
    async with make_app(make_box(training_box())).run_test(size=(80, 24)) as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: app.screen.query_one(PanelTabs).display)
        column = app.screen.query_one(PanelTabs).render().plain.index("Machine")
        await pilot.click(PanelTabs, offset=(column + 2, 0))
        await until(pilot, lambda: focused(app) == "machine")
        await pilot.click("#cards")
        await until(pilot, lambda: focused(app) == "cards")


async def test_a_hidden_panel_draws_nothing_and_gets_the_newest_reading_when_it_is_called() -> None:
    box = make_box(training_box())
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: panel_of(app, "rows").sample is box.sample.value)
        assert panel_of(app, "past").drawn == [None]
        await pilot.press("4")
        await until(pilot, lambda: panel_of(app, "past").sample is box.sample.value)


async def test_readings_are_drawn_at_most_twice_a_second() -> None:
    box = make_box(training_box())
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        app = await ready(pilot)
        rows = panel_of(app, "rows")
        await until(pilot, lambda: rows.sample is not None)
        before, began = len(rows.drawn), time.monotonic()
        for second in range(20):
            box.sample.put(training_box(at=float(second)))
            await pilot.pause(0)
        assert len(rows.drawn) - before <= 2 + (time.monotonic() - began) / REDRAW
        newest = box.sample.value
        await until(pilot, lambda: rows.sample is newest)


async def test_a_panel_fills_the_screen_and_escape_shows_all_again() -> None:
    async with make_app(make_box(training_box())).run_test(size=(120, 40)) as pilot:
        app = await ready(pilot)
        await pilot.press("2")
        await until(pilot, lambda: focused(app) == "rows")
        await pilot.press("m")
        await until(pilot, lambda: app.screen.maximized is panel_of(app, "rows"))
        await until(pilot, lambda: panel_of(app, "rows").size.width > 100)
        await pilot.press("3")
        await until(pilot, lambda: app.screen.maximized is panel_of(app, "machine"))
        assert app.screen.query_one(StatusBar).region.y == 0
        line = app.screen.query_one(KeyFooter)
        await until(pilot, lambda: "Back" in line.render().plain)
        assert "Maximize" not in line.render().plain
        await pilot.press("m")
        await until(pilot, lambda: app.screen.maximized is None)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.maximized is not None)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.maximized is None)
        assert shown(app) == ["cards", "rows", "machine", "past", "tunnels"]


async def test_the_state_of_a_live_box_is_one_row(clock: Clock) -> None:
    async with make_app(make_box(training_box(simulated=True))).run_test(size=(120, 40)) as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: "live 12 ms" in state_of(app)[0])
        (row,) = state_of(app)
        assert "xub" in row
        assert "ada@10.0.0.7:22" in row
        assert "SIMULATED" in row
        assert "CUDA 12.4" in row


async def test_in_a_narrow_terminal_the_least_important_goes_first(clock: Clock) -> None:
    async with make_app(make_box(training_box(simulated=True))).run_test(size=(60, 24)) as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: "live 12 ms" in state_of(app)[0])
        assert "SIMULATED" in state_of(app)[0]
        assert "CUDA" not in state_of(app)[0]
        assert len(state_of(app)[0]) <= 60


async def test_a_lost_box_says_why_counts_down_and_dims_its_old_data(clock: Clock, looks: Poller) -> None:
    box = make_box(training_box())
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        app = await ready(pilot)
        reason = Unreachable("No answer", "xub did not answer within 15 s", "Is it on?")
        clock.passed = 12
        link_of(box).health.put(Health(Phase.WAITING, retry_at=MONOTONIC + 19, attempt=3, reason=reason))
        await until(pilot, lambda: "No answer · again in 7s · data 12s old" in state_of(app)[0])
        assert state_of(app)[1:] == ["    xub did not answer within 15 s", "  → Is it on?"]
        assert panel_of(app, "rows").stale
        assert panel_of(app, "rows").has_class("-stale")
        await pilot.press("r")
        assert link_of(box).retried == 1
        looks(app)


async def test_a_refusal_stays_with_what_to_do(clock: Clock) -> None:
    box = make_box(None, Health(Phase.REFUSED, reason=HostKeyChanged("Changed", "one\ntwo [b]x", "do this")))
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: "✖ xub   Changed" in state_of(app)[0])
        assert state_of(app)[1:] == ["    one", "    two [b]x", "  → do this"]


async def test_the_steps_of_connecting_are_reported() -> None:
    box = make_box(None, Health(Phase.CONNECTING, step="logging in as ada"))
    async with make_app(box).run_test() as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: "logging in as ada" in state_of(app)[0])
        link_of(box).health.put(LIVE)
        await until(pilot, lambda: "waiting for the first reading" in state_of(app)[0])
        box.troubled(ProbeError("No Python", "The box has none", "It is read with sh"))
        await until(pilot, lambda: "No Python" in state_of(app)[0])
        assert state_of(app)[1:] == ["    The box has none", "  → It is read with sh"]
        box.received(training_box())
        await until(pilot, lambda: "live" in state_of(app)[0])
        assert not panel_of(app, "rows").stale


async def test_trouble_of_the_probe_stays_under_a_live_state(clock: Clock) -> None:
    box = make_box(training_box())
    async with make_app(box).run_test(size=(100, 30)) as pilot:
        app = await ready(pilot)
        box.trouble.put(ProbeError("Garbage on the channel", "A line of 9 bytes is no sample"))
        await until(pilot, lambda: len(state_of(app)) == 3)
        assert state_of(app)[1].strip() == "Garbage on the channel"
        box.trouble.put(None)
        await until(pilot, lambda: len(state_of(app)) == 1)


async def test_late_readings_are_called_late(clock: Clock) -> None:
    async with make_app(make_box(training_box())).run_test(size=(100, 30)) as pilot:
        app = await ready(pilot)
        clock.passed = 61
        await until(pilot, lambda: "no reading for 1m 01s" in state_of(app)[0])
        await until(pilot, lambda: panel_of(app, "cards").stale)


async def test_a_box_that_cannot_be_opened_says_so_and_can_be_tried_again() -> None:
    box = make_box(training_box())
    answers: list[Box | None] = [None, box]

    def opener(_target: Target, _asker: Asker) -> Box:
        if (answer := answers.pop(0)) is None:
            raise ConfigError("No such key", "~/.ssh/nope is not there", "Look at identity")
        return answer

    async with make_app(box, opener=opener).run_test() as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: "No such key" in state_of(app)[0])
        assert state_of(app)[1:] == ["    ~/.ssh/nope is not there", "  → Look at identity"]
        await pilot.press("r")
        await ready(pilot)
        await until(pilot, lambda: "live" in state_of(app)[0])


async def test_the_last_row_offers_only_what_can_be_done_now_and_can_be_clicked() -> None:
    box = make_box(training_box())
    async with make_app(box).run_test(size=(80, 24)) as pilot:
        app = await ready(pilot)
        line = app.screen.query_one(KeyFooter)
        await until(pilot, lambda: "Maximize" in line.render().plain)
        assert "Retry" not in line.render().plain
        assert "Back" not in line.render().plain
        link_of(box).health.put(Health(Phase.WAITING, reason=Unreachable("No answer")))
        await until(pilot, lambda: "Retry" in line.render().plain)
        await pilot.click(KeyFooter, offset=(line.render().plain.index("Maximize") + 2, 0))
        await until(pilot, lambda: app.screen.maximized is not None)
        assert "Back" in line.render().plain


def test_a_column_shows_at_least_one_panel(clock: Clock) -> None:
    box = make_box()
    panels = [Table(box, None), Machine(box, None), Tunnels(box, None)]
    assert chosen(panels, 3) == {panels[0]}
    assert chosen(panels, 20) == {panels[0], panels[1]}
    assert chosen(panels, 28) == set(panels)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_frame_looks_right(size: tuple[int, int], clock: Clock, looks: Poller) -> None:
    async with make_app(make_box(training_box())).run_test(size=size) as pilot:
        app = await ready(pilot)
        await until(pilot, lambda: "live 12 ms" in state_of(app)[0])
        assert not app.screen.query(Static)
        looks(app)
