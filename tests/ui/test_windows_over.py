"""Windows over the panels: the panels stay to be seen behind those that do not fill the screen."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from gpubox.boxes.processes import SIGNALS
from gpubox.config.settings import DesktopSettings
from gpubox.core.env import Env
from gpubox.core.feed import Feed
from gpubox.ui.draw.spans import Span
from gpubox.ui.panels.desktop.form import DesktopForm
from gpubox.ui.panels.envs.form import EnvForm
from gpubox.ui.panels.envs.packages import EnvPackages
from gpubox.ui.panels.jobs.job_screen import JobScreen
from gpubox.ui.panels.processes.signal_chooser import SignalChooser
from gpubox.ui.panels.tunnels.form import TunnelForm
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.key_footer import KeyFooter
from tests.samples import training_box
from tests.ui.envs import FakeEnvs, equip
from tests.ui.fakes import make_app, make_box, until
from tests.ui.jobs import RUNNING, FakeJobs, employ


async def test_the_panels_are_seen_behind_a_window_and_not_drawn_behind_a_whole_screen() -> None:
    box = equip(employ(make_box(training_box()), FakeJobs(RUNNING)), FakeEnvs())
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)
        windows = (
            Details("GPU 0", box.sample, lambda _width, _height: []),
            EnvForm("xub", ()),
            EnvPackages(box, (Env("/envs/a", "a", "conda"),)),
        )
        for window in windows:
            await app.push_screen(window)
            assert 0 < window.styles.background.a < 1
            await pilot.press("escape")
        whole = JobScreen(box, app.settings, RUNNING)
        await app.push_screen(whole)
        assert whole.styles.background.a == 1


async def test_details_and_signals_show_their_own_keys() -> None:
    app = make_app(make_box(training_box()))
    async with app.run_test(size=(60, 15)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)

        def keys() -> list[str]:
            line = app.screen.query_one(KeyFooter)
            return [f"{key.shown} {key.description}" for key in line.keys()[0]]

        for count, expected in ((3, ["esc Close"]), (60, ["↑↓ Scroll", "esc Close"])):
            page = [(Span(f"line {n}"),) for n in range(count)]
            await app.push_screen(Details("GPU 0", Feed(None), lambda _width, _height, page=page: page))
            await until(pilot, lambda expected=expected: keys() == expected)
            await pilot.press("escape")
        chosen: list[str | None] = []
        await app.push_screen(SignalChooser("41233 python"), chosen.append)
        await until(pilot, lambda: keys() == ["⏎ Choose", "↑↓ Move", "esc Close"])
        await pilot.press("down", "enter")
        await until(pilot, lambda: chosen)
        assert chosen == [list(SIGNALS)[1]]


@pytest.mark.parametrize("which", ["tunnel", "desktop", "env"])
async def test_every_field_of_a_form_can_be_seen_on_a_small_screen(which: str) -> None:
    app = make_app(make_box(training_box()))
    async with app.run_test(size=(60, 15)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)
        match which:
            case "tunnel":
                await app.push_screen(TunnelForm("xub"))
            case "desktop":
                await app.push_screen(DesktopForm(DesktopSettings(), "xub"))
            case _:
                await app.push_screen(EnvForm("xub", ()))
        frame = app.screen.query_one("#question")
        fields = list(app.screen.query(Input))
        await until(pilot, lambda: all(field.region.height for field in fields))
        for _ in fields:
            await pilot.press("tab")
            field = app.screen.focused
            assert field is not None
            await until(pilot, lambda field=field: frame.content_region.contains_region(field.region))
        assert frame.region.bottom <= 14
