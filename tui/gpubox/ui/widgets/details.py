"""A window that shows everything about one thing, and keeps it up to date."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.core.feed import Feed
from gpubox.core.sample import Sample
from gpubox.ui.draw.line_view import Draw, LineView
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_title


class ScrolledLines(LineView, inherit_bindings=False):
    """Scrollable lines; the scroll keys are shown when there are more than fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "Scroll", key_display="↑↓", tooltip="Scroll by a line"),
        *LineView.BINDINGS[1:],
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: scrolling needs more lines than fit."""
        return self.max_scroll_y > 0 if action == "scroll_up" else True

    def watch_show_vertical_scrollbar(self) -> None:
        """Update the scroll keys."""
        super().watch_show_vertical_scrollbar()
        self.refresh_bindings()


class Details(ModalScreen[None]):
    """Shows the lines of `draw`, redrawn with each sample."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "close", "Close", id="details.close", tooltip="Go back to the panel"),
    ]
    DEFAULT_CSS = """
    Details {
        align: center middle;
        & > Vertical {
            width: 90%;
            max-width: 104;
            height: auto;
            max-height: 92%;
            border: round $primary;
            background: $surface;
            padding: 0 1;
        }
        & ScrolledLines { height: auto; max-height: 100%; }
    }
    """

    def __init__(self, title: str, feed: Feed[Sample | None], draw: Draw) -> None:
        super().__init__()
        self._heading = title
        self._feed = feed
        self._lines = ScrolledLines(draw)

    def compose(self) -> ComposeResult:
        """Make the window."""
        frame = Vertical(self._lines)
        set_title(frame, self._heading)
        yield frame
        yield KeyFooter()

    def on_mount(self) -> None:
        """Keep it up to date."""
        self.run_worker(self._follow())

    async def _follow(self) -> None:
        async for _ in self._feed.follow():
            self._lines.redraw()

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()
