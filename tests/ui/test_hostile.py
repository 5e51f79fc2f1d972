"""Names, commands and errors of a box may say anything; the screen shows text."""

from __future__ import annotations

from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubox.config.settings import Settings, Ui
from gpubox.ui.panel import Panel
from gpubox.ui.panels.gpus import Gpus
from gpubox.ui.panels.history import HistoryPanel
from gpubox.ui.panels.host import HostPanel
from gpubox.ui.panels.processes import Processes
from tests import samples
from tests.ui.fakes import until
from tests.ui.stage import Stage, on_stage

P = TypeVar("P", bound=Panel)
PANELS: list[type[Panel]] = [Gpus, Processes, HostPanel, HistoryPanel]
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
SEQUENCES = ("\x1b]52;c;aGk=\x07", "\x1bP+q\x1b\\", "[/]", "[[", "\\[", "$secret", "@click", "\ud800")
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
    async with on_stage(Gpus, sample, (100, 24), settings=Settings(ui=Ui(cards_up_to=0))) as (stage, _):
        harmless(stage)
    async with on_stage(Processes, sample, (100, 24)) as (stage, pilot):
        await pilot.press("g")
        harmless(stage)
        await pilot.press("g", "x")
        harmless(stage)


@pytest.mark.parametrize("text", samples.HOSTILE, ids=range(len(samples.HOSTILE)))
async def test_no_text_of_a_box_reaches_the_terminal_raw(text: str) -> None:
    await everywhere(text)


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
