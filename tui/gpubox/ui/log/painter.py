"""Draws the visible part of a log as rows of the screen."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from gpubox.ui.log.ansi import Raw, pieces, style

_CACHED = 300
"""Lines whose rows are cached: several screens; each takes 3 kB."""
NOTHING = re.compile(r"(?!)")
"""Matches nothing."""


class Styles(NamedTuple):
    """The styles of a view; computed once per drawing, because each look-up walks up the screen."""

    base: Style
    note: Style
    space: Segment
    bar: Segment
    thumb: Segment


def styles_of(view: Widget) -> Styles:
    """Return the styles of a log view in its theme."""
    base, look = view.rich_style, view.get_component_rich_style
    return Styles(
        base,
        base + look("log--note"),
        Segment(" ", base),
        Segment("│", base + look("log--bar")),
        Segment("┃", base + look("log--thumb")),
    )


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of the screen."""

    offset: int
    """The offset of its line in the file."""
    strip: Strip


class Viewport:
    """The visible rows. The position is an offset in the file, so that lines may be added and dropped."""

    def __init__(self) -> None:
        self.width = 0
        """Cells of a row."""
        self.height = 0
        self.wrap = True
        """Whether long lines are wrapped instead of cut."""
        self.pattern = NOTHING
        """The pattern that is highlighted."""
        self.found: int | None = None
        """Offset of the line that was found last, which is highlighted more than others."""
        self.base = Style()
        """The style of plain text."""
        self.marks = (Style(), Style())
        """The style of matches, and that of matches in the line that was found last."""
        self._top = self._sub = 0
        self._cache: OrderedDict[Raw, list[Strip]] = OrderedDict()

    def forget(self) -> None:
        """Drop the cached rows, after a change of width, colors or marks."""
        self._cache.clear()

    def rows(self, lines: Sequence[Raw], *, follows: bool) -> list[LogRow]:
        """Return the visible rows: those at the end when it `follows`, and never any beyond it."""
        if not lines or self.width <= 0:
            return []
        if not follows:
            rows: list[LogRow] = []
            index, sub = self.index(lines), self._sub
            while index < len(lines) and len(rows) < self.height:
                rows += self._rows(lines[index])[sub:]
                index, sub = index + 1, 0
            if len(rows) >= self.height:
                return rows[: self.height]
        return self._last(lines)

    def _last(self, lines: Sequence[Raw]) -> list[LogRow]:
        """Return the rows at the end, and store their position."""
        rows: list[LogRow] = []
        for line in reversed(lines):
            rows[:0] = self._rows(line)
            self._top, self._sub = line.offset, max(0, len(rows) - self.height)
            if len(rows) >= self.height:
                break
        return rows[-self.height :]

    def index(self, lines: Sequence[Raw]) -> int:
        """Return the index of the line at the top, or of the nearest one if that is gone."""
        return max(0, bisect_right(lines, self._top, key=lambda line: line.offset) - 1)

    def go(self, offset: int) -> None:
        """Move the line at an offset to the top."""
        self._top, self._sub = offset, 0

    def move(self, lines: Sequence[Raw], step: int) -> int:
        """Move by rows, and return the index of the line at the top."""
        if not lines:
            return 0
        index, sub = self.index(lines), self._sub + step
        while sub < 0 and index > 0:
            index -= 1
            sub += len(self._rows(lines[index]))
        while index < len(lines) - 1 and sub >= (count := len(self._rows(lines[index]))):
            index, sub = index + 1, sub - count
        self._top, self._sub = lines[index].offset, max(0, sub)
        return index

    def _rows(self, line: Raw) -> list[LogRow]:
        strips = self._cache.get(line)
        if strips is None:
            strips = self._cache[line] = self._strips(line)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return [LogRow(line.offset, strip) for strip in strips]

    def _strips(self, line: Raw) -> list[Strip]:
        """Return a line as strips: colored, with matches highlighted, and wrapped."""
        parts = pieces(line.data, line.pen, whole=line.whole)
        segments = [Segment(part.text, self.base + style(part.pen)) for part in parts]
        if self.pattern is not NOTHING:
            segments = self._marked(segments, "".join(part.text for part in parts), line.offset)
        strip = Strip(segments)
        if not self.wrap or strip.cell_length <= self.width:
            return [strip]
        cuts = range(self.width, strip.cell_length + self.width, self.width)
        return list(strip.divide([min(cut, strip.cell_length) for cut in cuts]))

    def _marked(self, segments: list[Segment], text: str, offset: int) -> list[Segment]:
        mark = self.marks[offset == self.found]
        edges = [edge for match in self.pattern.finditer(text) for edge in match.span()]
        out: list[Segment] = []
        place = 0
        inside = False
        for words, look, _ in segments:
            begin = place
            place += len(words)
            while begin < place:
                end = min(place, edges[0]) if edges else place
                if end > begin:
                    out.append(
                        Segment(
                            words[begin - place : end - place or None],
                            (look or self.base) + mark if inside else look,
                        )
                    )
                begin = end
                while edges and edges[0] == begin:
                    edges.pop(0)
                    inside = not inside
        return out
