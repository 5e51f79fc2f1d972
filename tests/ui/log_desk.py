"""A log on a screen of its own, for the tests of its view."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.ui.log.pane import LogPane
from gpubox.ui.log.search import Logs
from gpubox.ui.log.window import Window
from gpubox.ui.theme import GPUBOX
from tests.ui.fakes import make_box, until
from tests.ui.jobs import FakeJobs

JOB = "20261123-120000-abcd"


class Desk(App[None]):
    """An app of one log."""

    def __init__(self, box: Box, jobs: Logs) -> None:
        super().__init__()
        self.pane = LogPane(box, jobs)
        self.pane.styles.border = ("round", "white")
        self.register_theme(GPUBOX)
        self.theme = "gpubox"
        self.animation_level = "none"

    def compose(self) -> ComposeResult:
        yield self.pane

    @property
    def rows(self) -> list[str]:
        """What the view paints, without the bar at its right."""
        view = self.pane.view
        return [view.render_line(y).text[:-1].rstrip() for y in range(view.size.height)]

    @property
    def said(self) -> str:
        """What stands in the lower border."""
        return str(self.pane.border_subtitle)


@asynccontextmanager
async def reading(
    jobs: FakeJobs, size: tuple[int, int] = (60, 12)
) -> AsyncGenerator[tuple[Desk, Pilot[None]]]:
    """Show the log of JOB, and wait until it was begun."""
    desk = Desk(make_box(), jobs)
    async with desk.run_test(size=size) as pilot:
        desk.pane.show(JOB)
        desk.pane.view.focus()
        await until(pilot, lambda: desk.pane.view.source is not None and desk.pane.view.source.begun)
        yield desk, pilot


def window(desk: Desk) -> Window:
    """The lines that the view holds."""
    assert desk.pane.view.source is not None
    return desk.pane.view.source.window


def numbered(count: int, first: int = 0) -> bytes:
    return b"".join(b"line %07d of the log\n" % n for n in range(first, first + count))
