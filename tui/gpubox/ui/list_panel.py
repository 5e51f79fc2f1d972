"""The bases of panels that list what they poll from the box."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from textual.app import ComposeResult
from textual.geometry import Size

from gpubox.boxes.box import Box
from gpubox.config.settings import Settings
from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.sanitize import clean
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.draw.table import Table
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panel import Panel
from gpubox.ui.poller import Poller, live, recorded

T = TypeVar("T")
Row = TypeVar("Row")

LIST = 10.0
"""Seconds between two polls while the panel is visible."""


class ListPanel(Panel):
    """Draws after each change of what it follows, and once a second."""

    def on_mount(self) -> None:
        """Poll and show once a second."""
        self.set_interval(1.0, self._tick)

    def catch_up(self) -> None:
        """Draw what changed while hidden."""
        self._tick()

    def _tick(self) -> None:
        self._poll()
        self._show()

    def _poll(self) -> None:
        """Ask the box, if it is time to; called once a second."""
        raise NotImplementedError

    def _show(self) -> None:
        """Draw the current state; also called while the panel is hidden."""
        raise NotImplementedError

    def _without_rows(self, nothing: str, *, known: bool, trouble: GpuBoxError | None) -> str:
        """Return the text in place of rows: `nothing` once it is known that there are none."""
        if recorded(self):
            return "Not in a recording"
        if not live(self):
            return "Not connected"
        if trouble is not None:
            return clean(str(trouble))
        return nothing if known else "Looking …"

    def _follow(self, feed: Feed[T]) -> None:
        """Show each change of a feed."""
        self.run_worker(guarded(self, self._showing(feed)), exit_on_error=False)

    async def _showing(self, feed: Feed[T]) -> None:
        async for _ in feed.follow():
            self._show()


class PolledListPanel(ListPanel):
    """Polls while it is visible."""

    def __init__(self, box: Box, settings: Settings, look: Callable[[], Awaitable[object]]) -> None:
        super().__init__(box, settings)
        self._poller = Poller(self, LIST, look)

    def opened_by_key(self, *, again: bool) -> None:
        """Poll now."""
        self._poller.soon()

    def _poll(self) -> None:
        self._poller.tick()

    def _empty(self, nothing: str) -> str:
        """Return the text in place of rows: `nothing` once a poll found none."""
        return self._without_rows(nothing, known=self._poller.done, trouble=self._poller.trouble)


class ExplainedListPanel(PolledListPanel, Generic[Row]):
    """A list as high as its rows, and lines below it about the row under the cursor."""

    DEFAULT_CSS = """
    ExplainedListPanel {
        & #list { height: 100h; }  /* not 1fr, which stretches a panel of height auto */
        & #why { dock: bottom; height: auto; max-height: 3; }
    }
    """

    def __init__(
        self, box: Box, settings: Settings, look: Callable[[], Awaitable[object]], rows: Table[Row]
    ) -> None:
        super().__init__(box, settings, look)
        self._list = rows
        self._why = LineView(self._draw_why, id="why")
        self._why.can_focus = False
        self._needed = 0

    def compose(self) -> ComposeResult:
        """Compose the list, and the lines that explain the chosen row."""
        yield self._list
        yield self._why

    def _draw_why(self, width: int, _height: int) -> Sequence[Line]:
        """Return the lines about the chosen row."""
        raise NotImplementedError

    def _explain(self) -> None:
        """Explain the chosen row, and update the keys that work on it."""
        self._why.redraw()
        needed = self.get_content_height(self.size, self.screen.size, self.size.width)
        if needed != self._needed:
            self._needed = needed
            self.refresh(layout=True)
        self._offer()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the lines that the content needs, for a panel that is as high as its content."""
        return 1 + max(3, len(self._list.shown)) + len(self._draw_why(width, viewport.height))

    def on_table_chosen(self) -> None:
        """Explain the row under the cursor."""
        self._explain()
