"""Names, commands and errors of a box may say anything; the screen shows text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from textual.screen import ModalScreen

import gpubox.ui
from gpubox.boxes.box import Box
from gpubox.boxes.services import Service
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.config.settings import DesktopSettings, Settings, UiSettings
from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.prompts import Question, QuestionKind
from gpubox.ui.panel import Panel
from gpubox.ui.panels.desktop.form import DesktopForm
from gpubox.ui.panels.desktop.panel import DesktopPanel
from gpubox.ui.panels.envs.form import EnvForm
from gpubox.ui.panels.envs.packages import EnvPackages
from gpubox.ui.panels.gpus.panel import Gpus
from gpubox.ui.panels.history.panel import HistoryPanel
from gpubox.ui.panels.host.panel import HostPanel
from gpubox.ui.panels.jobs.compare_screen import CompareScreen
from gpubox.ui.panels.jobs.job_screen import JobScreen
from gpubox.ui.panels.jobs.results_screen import JobResults
from gpubox.ui.panels.processes.panel import Processes
from gpubox.ui.panels.processes.signal_chooser import SignalChooser
from gpubox.ui.panels.tunnels.form import TunnelForm
from gpubox.ui.panels.tunnels.panel import TunnelsPanel
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.screens.run import RunScreen
from gpubox.ui.theme import Themed
from gpubox.ui.widgets.details import Details
from tests import samples
from tests.ui import jobs
from tests.ui.channels import MINE, FakeDesktops, FakeServices, FakeTunnels, furnish, serve
from tests.ui.envs import TF_CPU, FakeEnvs, equip
from tests.ui.fakes import make_box, until
from tests.ui.stage import Stage, on_stage

P = TypeVar("P", bound=Panel)
PANELS: list[type[Panel]] = [Gpus, Processes, HostPanel, HistoryPanel]
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
SEQUENCES = ("\x1b]52;c;aGk=\x07", "\x1bP+q\x1b\\", "[/]", "[/", "[[", "\\[", "$secret", "@click", "\ud800")
nasty = st.lists(
    st.one_of(
        st.sampled_from(samples.HOSTILE[:-1] + SEQUENCES),
        st.text(st.characters(), max_size=40),
    ),
    max_size=6,
).map("".join)  # fmt: skip


def harmless(stage: Stage[P]) -> None:
    """Fail when a character that a terminal acts on is on the screen."""
    bad = {c for c in stage.painted() if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160 or c in BIDI)}
    assert not bad


async def everywhere(text: str) -> None:
    """Show a box whose every text is `text` on every panel, and open every window."""
    sample = samples.hostile(text)
    for panel in PANELS:
        async with on_stage(panel, sample, (100, 24)) as (stage, pilot):
            harmless(stage)
            if panel in (Gpus, Processes):
                await pilot.press("enter")
                await until(pilot, lambda stage=stage: stage.window)
                harmless(stage)
    async with on_stage(Gpus, sample, (100, 24), settings=Settings(ui=UiSettings(cards_up_to=0))) as (
        stage,
        _,
    ):
        harmless(stage)
    async with on_stage(Processes, sample, (100, 24)) as (stage, pilot):
        await pilot.press("g")
        harmless(stage)
        await pilot.press("g", "x")
        harmless(stage)


@pytest.mark.parametrize("text", samples.HOSTILE, ids=range(len(samples.HOSTILE)))
async def test_no_text_of_a_box_reaches_the_terminal_raw(text: str) -> None:
    await everywhere(text)


async def channels_of(text: str) -> None:
    """Show desktops, services and tunnels whose every text is `text`, in a broad and in a narrow panel."""
    session = replace(
        MINE, server=text, user=text, display=text, geometry=text, title=text, session=text, path=text
    )
    service = Service(text, text, text, "0.0.0.0", 80, user=text, title=text, folder=text, page=True)
    reason = RemoteError(text or "x", text, text)
    tunnel = Tunnel(
        1, text, Forward(Direction.LOCAL, host=text, port=9), TunnelPhase.OPEN, 9, note=text, reason=reason
    )
    for size in ((160, 14), (78, 14)):
        desktops = FakeDesktops(session, replace(session, pid=2, mine=False))
        desktops.blind = reason
        box = furnish(make_box(samples.training_box()), desktops)
        async with on_stage(DesktopPanel, samples.training_box(), size, box=box, answers=["no"]) as (
            stage,
            pilot,
        ):
            await until(pilot, lambda stage=stage: stage.panel.chosen)
            harmless(stage)
            await pilot.press("x")
        held = FakeTunnels(tunnel)
        box = serve(furnish(make_box(samples.training_box()), tunnels=held), FakeServices(held, service))
        async with on_stage(TunnelsPanel, samples.training_box(), size, box=box) as (stage, pilot):
            await until(pilot, lambda stage=stage: stage.panel.chosen)
            await pilot.press("end")
            harmless(stage)
            await pilot.press("y")
            await pilot.pause()
            harmless(stage)


@pytest.mark.parametrize("text", samples.HOSTILE, ids=range(len(samples.HOSTILE)))
async def test_no_text_of_a_desktop_or_a_service_reaches_the_terminal_raw(text: str) -> None:
    await channels_of(text)


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PANELS), nasty)
async def test_whatever_a_box_says_the_screen_holds_only_text(panel: type[Panel], text: str) -> None:
    async with on_stage(panel, samples.hostile(text), (100, 16)) as (stage, _):
        harmless(stage)


async def test_markup_is_shown_as_it_is_written() -> None:
    text = "[red]not markup[/] [@click=app.quit]x[/]"
    async with on_stage(Processes, samples.hostile(text), (160, 24)) as (stage, pilot):
        assert text in stage.painted()
        await pilot.press("enter")
        await until(pilot, lambda: stage.window)
        assert text in stage.painted()


UNCLOSED = "sed s/[/x/"
"""Textual's markup parser raises at this, also after Textual's own escape."""


def employed() -> Box:
    """A box with jobs."""
    return jobs.employ(make_box(None), jobs.FakeJobs())


WINDOWS: dict[str, Callable[[], ModalScreen[Any]]] = {
    "ask": lambda: AskScreen(Question(UNCLOSED, UNCLOSED, UNCLOSED, QuestionKind.TEXT, prompt=UNCLOSED)),
    "compare": lambda: CompareScreen(
        employed(), [jobs.record(UNCLOSED, id="a"), jobs.record(UNCLOSED, id="b")]
    ),
    "desktop form": lambda: DesktopForm(DesktopSettings(), UNCLOSED),
    "details": lambda: Details(UNCLOSED, Feed(None), lambda _sample, _width: []),
    "env form": lambda: EnvForm(UNCLOSED, ()),
    "env packages": lambda: EnvPackages(equip(make_box(None), FakeEnvs()), [changed(TF_CPU, name=UNCLOSED)]),
    "job": lambda: JobScreen(employed(), Settings(), jobs.record(UNCLOSED)),
    "job results": lambda: JobResults(make_box(None), jobs.record(UNCLOSED)),
    "run": lambda: RunScreen(UNCLOSED, [UNCLOSED]),
    "signals": lambda: SignalChooser(UNCLOSED),
    "tunnel form": lambda: TunnelForm(UNCLOSED),
}


class Styled(Themed):
    """An app that is laid out as the program is."""

    CSS_PATH = sorted(Path(gpubox.ui.__file__).parent.glob("*.tcss"))


@pytest.mark.parametrize("window", WINDOWS)
async def test_a_title_is_drawn_as_it_is_written(window: str) -> None:
    app = Styled()
    async with app.run_test(size=(100, 30)) as pilot:
        await app.push_screen(WINDOWS[window]())
        await pilot.pause()
        assert any(UNCLOSED in line.text for line in app.screen._compositor.render_strips())
