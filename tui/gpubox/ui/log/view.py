"""A log on the screen: follows its end, and scrolls through the rest."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from gpubox.ui.failure_isolation import isolated
from gpubox.ui.log.ansi import Raw
from gpubox.ui.log.painter import NOTHING, LogRow, Styles, Viewport, styles_of
from gpubox.ui.log.search import Logs
from gpubox.ui.log.source import Log, LogReader

DRAW = 0.08
"""Seconds between two drawings of new output."""
_SIDE = 16
"""Cells per step to the left or right."""


@isolated
class LogView(Widget, can_focus=True):
    """Shows one log at a time. It follows the end until the user scrolls up; `end` follows again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("left", "side(-1)", "Left", show=False),
        Binding("right", "side(1)", "Right", show=False),
        Binding("home", "start", "Start", show=False, id="log.start", tooltip="Go to the log's first line"),
        Binding("F,end", "follow", "Follow", False, id="log.follow", tooltip="Go to the end, and follow it"),
        Binding("w", "wrap", "Wrap", id="log.wrap", tooltip="Break long lines, or cut them"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--found", "log--here", "log--bar", "log--thumb", "log--note"}
    DEFAULT_CSS = """
    LogView {
        height: 1fr;
        & > .log--found { background: $warning 40%; }
        & > .log--here { color: $background; background: $warning; }
        & > .log--bar { color: $foreground 15%; }
        & > .log--thumb { color: $foreground 50%; }
        & > .log--note { color: $foreground 62%; }
    }
    """
    ALLOW_SELECT = False

    class Moved(Message):
        """Another part of the log is visible, or more of it is known."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self.source: Log | None = None
        """The shown log."""
        self.follows = True
        """Whether the view follows the end."""
        self.words = ""
        """Text that is shown instead of an empty log; safe to draw."""
        self._logs = logs
        self._port = Viewport()
        self._left = 0
        self._rows: list[LogRow] = []
        self._thumb: int | None = None
        self._log_styles: Styles | None = None
        self._reader = LogReader(self, self._read)

    def show(self, job: str | None) -> None:
        """Show the end of another log; None shows and reads nothing."""
        self._reader.forget()
        self.source = Log(self._logs, job) if job is not None else None
        self.follows, self._left = True, 0
        self._port.found = None
        self._port.forget()
        if self.source is not None:
            self._reader.read(self.source, from_end=True)
        self.draw()

    def on_mount(self) -> None:
        """Draw new output, at most a dozen times a second."""
        self.set_interval(DRAW, self._tick)

    def _tick(self) -> None:
        source = self.source
        if source is not None and source.flush(at_end=self.follows):
            if not self.follows and source.leave_end():
                self._reader.stop()  # the rest is fetched when the user scrolls there
            self.draw()

    def resume(self) -> None:
        """Resume reading after a failure, at the same offset."""
        source = self.source
        if source is not None and not source.live and source.trouble is not None:
            self._reader.read(source, from_end=not source.begun)

    def _read(self) -> None:
        self._tick()
        self.draw()

    def draw(self) -> None:
        """Draw the visible rows; only changed ones are painted."""
        width, height = self.size
        if not width or not height:
            return
        port = self._port
        self._log_styles = styles_of(self)
        port.width, port.height, port.base = width - 1, height, self._log_styles.base
        look = self.get_component_rich_style
        port.marks = look("log--found"), look("log--here")
        old, self._rows = self._rows, port.rows(self._lines, follows=self.follows)
        self._thumb = self._thumb_at(height)
        if len(old) != len(self._rows):
            self.refresh()
        elif changed := [y for y, row in enumerate(self._rows) if row != old[y]]:
            self.refresh(*(Region(0, y, width, 1) for y in changed), Region(width - 1, 0, 1, height))
        self.post_message(self.Moved())

    @property
    def _lines(self) -> list[Raw]:
        return self.source.window.lines if self.source is not None else []

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        width = self.size.width
        if self._log_styles is None:
            self._log_styles = styles_of(self)
        base = self._log_styles.base
        if not self._rows:
            words = Segment(self.words if y == 0 else "", self._log_styles.note)
            return Strip([words]).adjust_cell_length(width, base)
        strip = self._rows[y].strip if y < len(self._rows) else Strip([])
        if self._left:
            strip = strip.crop(self._left)
        return Strip([*strip.adjust_cell_length(width - 1, base), self._bar(y, self._log_styles)], width)

    def _bar(self, y: int, styles: Styles) -> Segment:
        """Return the cell of the scroll bar, which shows the position in the whole log."""
        if self._thumb is None:
            return styles.space
        return styles.thumb if y == self._thumb else styles.bar

    def _thumb_at(self, height: int) -> int | None:
        begin, _, size = self.place
        if self.at_end:
            return height - 1 if begin else None
        return min(height - 1, int(begin / max(1, size) * height))

    def notify_style_update(self) -> None:
        """Forget the colors of the old theme."""
        self._log_styles = None
        self._port.forget()
        super().notify_style_update()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._port.forget()
        self.draw()

    def on_show(self) -> None:
        """Draw what changed while hidden."""
        self.draw()

    @property
    def at_end(self) -> bool:
        """Whether the last known line is visible."""
        lines = self._lines
        if not lines or self.source is None or not self.source.complete:
            return not lines
        return bool(self._rows) and self._rows[-1].offset == lines[-1].offset

    @property
    def place(self) -> tuple[int, int, int]:
        """The offsets of the start and end of the visible part, and the size of the log."""
        if self.source is None or not self._rows:
            return 0, 0, 0
        size = self.source.size
        return self._rows[0].offset, size if self.at_end else self._rows[-1].offset, size

    def action_move(self, step: int) -> None:
        """Move by rows; moving up stops following the end, and reaching it follows again."""
        source, lines = self.source, self._lines
        if source is None or not lines or (step > 0 and self.follows):
            return
        self.follows = False
        index = self._port.move(lines, step)
        if step < 0 and index < 3 * self.size.height and source.window.start > 0:
            self._reader.fetch(source, source.earlier())
        self.draw()
        if step > 0 and self._rows[-1].offset == lines[-1].offset:
            self._reach(source)

    def _reach(self, source: Log) -> None:
        """Follow again at the end of the log, or fetch the lines after the window."""
        if not source.complete:
            self._reader.fetch(source, source.later())
        elif source.live or source.over:
            self.follows = True
            self.draw()

    def action_page(self, step: int) -> None:
        """Move by a screenful."""
        self.action_move(step * max(1, self.size.height - 1))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Move up."""
        event.stop()
        self.action_move(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Move down."""
        event.stop()
        self.action_move(3)

    def action_side(self, step: int) -> None:
        """Scroll sideways, when long lines are cut."""
        if not self._port.wrap:
            self._left = max(0, self._left + step * _SIDE)
            self.refresh()

    def action_wrap(self) -> None:
        """Toggle between wrapping and cutting long lines."""
        self._port.wrap = not self._port.wrap
        self._left = 0
        self._port.forget()
        self.draw()

    def action_start(self) -> None:
        """Go to the first line."""
        if self.source is not None:
            self.go(0)

    def action_follow(self) -> None:
        """Go to the end, and follow it."""
        source = self.source
        if source is None:
            return
        self.follows = True
        if not (source.live or (source.over and source.complete)):
            self._reader.read(source, from_end=not source.complete)
        self.draw()

    def go(self, offset: int, above: int = 0) -> None:
        """Move the line at an offset to the top, below `above` lines; fetches it if needed."""
        source = self.source
        if source is None:
            return
        self.follows = False
        if source.window.start <= offset < max(1, source.window.end):
            self._port.go(offset)
            self._port.move(self._lines, -above)
            self.draw()
        else:
            self._reader.stop()
            self._reader.fetch(source, self._around(source, offset, above))

    async def _around(self, source: Log, offset: int, above: int) -> None:
        await source.around(offset)
        self._port.go(offset)
        self._port.move(self._lines, -above)

    def mark(self, pattern: re.Pattern[str] | None, found: int | None) -> None:
        """Highlight matches of a pattern, and more strongly those of the line at offset `found`."""
        self._port.pattern, self._port.found = pattern or NOTHING, found
        self._port.forget()
        self.draw()

    def reveal(self, offset: int) -> None:
        """Scroll the line at an offset into view, with some lines above it."""
        self.follows = False
        if all(row.offset != offset for row in self._rows):
            self.go(offset, min(4, self.size.height // 3))
