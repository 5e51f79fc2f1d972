"""A widget that comes into view gets its events, whatever is asked of the layout before."""

from __future__ import annotations

from typing import ClassVar

import pytest
from textual._compositor import Compositor
from textual.app import App, ComposeResult
from textual.widgets import Static

from gpubox.ui import layout_events
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Span
from tests.ui.fakes import steady


class Noting(Static):
    """Notes the events that it gets."""

    events: ClassVar[list[str]] = []

    def on_show(self) -> None:
        self.events.append("show")

    def on_hide(self) -> None:
        self.events.append("hide")

    def on_resize(self) -> None:
        self.events.append("resize")


class Two(App[None]):
    """A widget, and one that is hidden at first."""

    def compose(self) -> ComposeResult:
        """Compose both."""
        yield Static("one", id="one")
        yield Noting("other")

    def on_mount(self) -> None:
        """Hide one."""
        self.query_one(Noting).display = False


def look_up(app: App[None]) -> None:
    """Ask for the region of a widget after another was drawn that has no place yet."""
    app.screen._compositor._full_map_invalidated = True
    _ = app.query_one("#one").region


async def events_while_shown() -> list[str]:
    """The events of the hidden widget that is shown, while another is looked up before the next layout."""
    app = Two()
    async with app.run_test() as pilot:
        await steady(pilot)
        Noting.events.clear()
        app.query_one(Noting).display = True
        look_up(app)
        await steady(pilot)
        assert app.query_one(Noting).size.height == 1
        return list(Noting.events)


async def test_a_widget_that_comes_into_view_gets_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Compositor, "reflow", layout_events._reflow)
    assert await events_while_shown() == []  # else the replacement is not needed any more
    layout_events.announce_every_widget()
    assert await events_while_shown() == ["resize", "show"]


async def test_each_event_comes_once() -> None:
    layout_events.announce_every_widget()
    app = Two()
    async with app.run_test() as pilot:
        await steady(pilot)
        Noting.events.clear()
        other = app.query_one(Noting)
        for _ in range(3):
            other.display = True
            look_up(app)
            await steady(pilot)
            look_up(app)
            app.query_one("#one").refresh(layout=True)
            await steady(pilot)
            other.display = False
            look_up(app)
            await steady(pilot)
        assert Noting.events == ["resize", "show", "hide"] * 3


async def test_lines_are_drawn_however_they_come_into_view() -> None:
    layout_events.announce_every_widget()
    app = Two()
    async with app.run_test() as pilot:
        await steady(pilot)
        lines = LineView(lambda _width, _height: [(Span("drawn"),)])
        await app.mount(lines)
        look_up(app)
        await steady(pilot)
        assert lines.plain == "drawn"
