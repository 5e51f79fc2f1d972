"""A widget that draws lines of spans and repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gpubox.ui.app_access import few_colors
from gpubox.ui.contrast import readable
from gpubox.ui.draw.spans import TONES, Line, Span, fit, length
from gpubox.ui.failure_isolation import isolated

Draw = Callable[[int, int], Sequence[Line]]
"""Given width and height in cells, returns the lines to show; more than `height` lines scroll."""


@isolated
class LineView(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows the lines that a function returns, in the available size.

    One such widget replaces dozens of small ones: with eight cards in one widget a repaint costs a tenth of
    that of nested widgets. It draws on `redraw`, and when its size changes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "Up", show=False),
        Binding("down", "scroll_down", "Down", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("home", "scroll_home", "Top", show=False),
        Binding("end", "scroll_end", "Bottom", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"lines--{tone}" for tone in TONES),
        "lines--track",
        "lines--cursor",
        "lines--cursor-focus",
    }
    DEFAULT_CSS = """
    LineView {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        & > .lines--muted { color: $foreground 62%; }
        & > .lines--faint { color: $foreground 30%; }
        & > .lines--title { text-style: bold; }
        & > .lines--accent { color: $primary; text-style: bold; }
        & > .lines--util { color: $primary; }
        & > .lines--memory { color: $secondary; }
        & > .lines--calm { color: $foreground 45%; }
        & > .lines--warn { color: $warning; }
        & > .lines--alarm { color: $error; text-style: bold; }
        & > .lines--label { color: $warning; text-style: bold; }
        & > .lines--track { background: $foreground 10%; }
        & > .lines--cursor { background: $foreground 8%; }
        & > .lines--cursor-focus { background: $primary 28%; }
        &:ansi > .lines--cursor-focus { background: transparent; text-style: reverse; }
        &:ansi > .lines--cursor { background: transparent; text-style: underline; }
    }
    """
    ALLOW_SELECT = False
    HEAD = 0
    """Number of header lines that do not scroll."""

    @dataclass
    class Clicked(Message):
        """A line was clicked."""

        lines: LineView
        index: int
        """The index of the line, from 0."""
        column: int
        twice: bool
        """Whether it was a double click."""

        @property
        def control(self) -> LineView:
            """The widget that was clicked on."""
            return self.lines

    def __init__(self, draw: Draw, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw = draw
        self._lines: list[Line] = []
        self._styles_of: dict[tuple[str, str, bool], Style] = {}
        self._shown = False
        self.cursor_line: int | None = None
        """The line that is drawn as selected, if any."""

    @property
    def shown_lines(self) -> Sequence[Line]:
        """The lines last drawn, including those scrolled out of view."""
        return self._lines

    @property
    def plain(self) -> str:
        """The lines last drawn as plain text, for tests and for copying."""
        return "\n".join("".join(span.text for span in line) for line in self._lines)

    @property
    def _room(self) -> Size:
        """The size of the drawing area, without the scroll bar."""
        return self.scrollable_content_region.size

    def redraw(self) -> None:
        """Redraw now if visible; only changed lines are painted."""
        width, height = self._room
        if not self._shown or not width or (not height and not self.styles.is_auto_height):
            return
        old, self._lines = self._lines, list(self._draw(width, height))
        if self.virtual_size != (size := Size(width, len(self._lines))):
            self.virtual_size = size
            # Textual does it with the next layout, but not when the lines have just the size of the view.
            self._refresh_scrollbars()
            if self.styles.is_auto_height and len(old) != len(self._lines):
                self.refresh(layout=True)
        first = self.scroll_offset.y
        changed = [
            y
            for y in range(height)
            if _at(old, index := y if y < self.HEAD else y + first) != _at(self._lines, index)
        ]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the number of lines, for a widget that is as high as its content."""
        return len(self._draw(width, viewport.height))

    def move_cursor(self, index: int | None) -> None:
        """Draw line `index` as selected and scroll it into view."""
        old, self.cursor_line = self.cursor_line, index
        for changed in (old, index):
            if changed is None:
                continue
            y = changed if changed < self.HEAD else changed - self.scroll_offset.y
            self.refresh(Region(0, y, self.size.width, 1))
        if index is not None:
            self.reveal(index, 1)

    def reveal(self, index: int, count: int) -> None:
        """Scroll so that `count` lines from `index` on are in view."""
        room = self.size.height - self.HEAD
        top = index - self.HEAD
        if room <= 0:
            return
        first = self.scroll_offset.y
        y = min(max(first, top + count - room), top) if top >= first else top
        if y != first:
            self.scroll_to(y=y, animate=False)

    def render_line(self, y: int) -> Strip:
        """Return one line of the screen."""
        index = y if y < self.HEAD else y + self.scroll_offset.y
        width = self._room.width
        chosen = index == self.cursor_line
        if index >= len(self._lines):
            return Strip.blank(width, self._style(Span("")))
        spans = fit(self._lines[index], width)
        return Strip([Segment(span.text, self._style(span, chosen)) for span in spans if span.text], width)

    def _style(self, span: Span, chosen: bool = False) -> Style:
        key = (span.tone, span.ground, chosen)
        style = self._styles_of.get(key)
        if style is None:
            style = self._styles_of[key] = self._make_style(span, chosen)
        return style

    def _make_style(self, span: Span, chosen: bool) -> Style:
        base = self.visual_style.rich_style
        style = base + self.get_component_rich_style(f"lines--{span.tone}")
        if span.ground == "fill":
            return _filled(base, style)
        if span.ground == "track":
            return style + Style(bgcolor=self.get_component_rich_style("lines--track").bgcolor)
        if chosen:
            name = "lines--cursor-focus" if self.has_focus else "lines--cursor"
            cursor = self.get_component_rich_style(name)
            underline = cursor.underline
            if not self.has_focus and few_colors(self):
                underline = True  # with 16 colors a faint background is drawn as the background itself
            return style + Style(bgcolor=cursor.bgcolor, reverse=cursor.reverse, underline=underline)
        return style

    def notify_style_update(self) -> None:
        """Forget the colors of the old theme."""
        self._styles_of.clear()
        super().notify_style_update()

    def watch_has_focus(self, _has_focus: bool) -> None:
        """Highlight the selected line while focused."""
        super().watch_has_focus(_has_focus)
        self._styles_of.clear()
        self.refresh()

    def on_show(self) -> None:
        """Draw what changed while hidden."""
        if not self._shown:
            self._shown = True
            self.redraw()

    def on_hide(self) -> None:
        """Stop drawing."""
        self._shown = False

    def on_resize(self) -> None:
        """Draw for the new size.

        It shows that this is in view: Textual posts no Show when a scroll comes between mounting and layout.
        """
        self._shown = True
        self.redraw()

    def watch_show_vertical_scrollbar(self) -> None:
        """Redraw when the scroll bar appears or disappears."""
        self.call_after_refresh(self.redraw)

    def span_at(self, x: int, y: int) -> Span | None:
        """Return the span under a cell of this widget's content, if there is one."""
        index = y if y < self.HEAD else y + self.scroll_offset.y
        taken = 0
        for span in _at(self._lines, index) or ():
            taken += length((span,))
            if x < taken:
                return span
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show the tooltip of the span under the pointer."""
        span = self.span_at(event.x, event.y)
        note = span.note if span else ""
        tooltip = Content(note) if note else None
        if tooltip != self.tooltip:
            self.tooltip = tooltip

    def on_click(self, event: events.Click) -> None:
        """Post which line was clicked."""
        index = event.y if event.y < self.HEAD else event.y + self.scroll_offset.y
        self.post_message(self.Clicked(self, index, event.x, event.chain > 1))


def _filled(base: Style, tone: Style) -> Style:
    """Return the style of text on a bar in the color of a tone."""
    bar, ground, text = tone.color, base.bgcolor, base.color
    if bar is None or ground is None or text is None or bar.is_default or bar.is_system_defined:
        return Style(color=ground, bgcolor=bar)
    color = readable(Color.from_rich_color(bar), map(Color.from_rich_color, (ground, text)))
    return Style(color=color.rich_color, bgcolor=bar)


def _at(lines: Sequence[Line], index: int) -> Line | None:
    return lines[index] if index < len(lines) else None
