"""The part of a log that is seen, as rows of the screen; rows are made only for what is in sight."""

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
"""Lines whose rows are remembered: several screens; each takes 3 kB."""
NOTHING = re.compile(r"(?!)")
"""Matches nothing."""


class Styles(NamedTuple):
    """How the parts of the view are drawn; found once a drawing, for each of these walks up the screen."""

    base: Style
    note: Style
    space: Segment
    bar: Segment
    thumb: Segment


def styles_of(view: Widget) -> Styles:
    """Return how a log view is drawn in its theme."""
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
    """Where its line begins in the file."""
    strip: Strip


class Viewport:
    """Which rows are in sight. Its place is a byte of the file, so that lines may come and go around it."""

    def __init__(self) -> None:
        self.width = 0
        """Cells of a row."""
        self.height = 0
        self.wrap = True
        """Whether long lines are broken, not cut."""
        self.pattern = NOTHING
        """What is marked."""
        self.found: int | None = None
        """Byte of the line that was found last; it is marked more than others."""
        self.base = Style()
        """How plain text is drawn."""
        self.marks = (Style(), Style())
        """How what was found is drawn, and that of the line that was found last."""
        self._top = self._sub = 0
        self._cache: OrderedDict[Raw, list[Strip]] = OrderedDict()

    def forget(self) -> None:
        """Make all rows anew: the width, the colors or the marks are others now."""
        self._cache.clear()

    def rows(self, lines: Sequence[Raw], *, follows: bool) -> list[LogRow]:
        """Return the rows in sight; at the end when it `follows`, and never beyond it."""
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
        """Return the rows at the end, and remember where they begin."""
        rows: list[LogRow] = []
        for line in reversed(lines):
            rows[:0] = self._rows(line)
            self._top, self._sub = line.offset, max(0, len(rows) - self.height)
            if len(rows) >= self.height:
                break
        return rows[-self.height :]

    def index(self, lines: Sequence[Raw]) -> int:
        """Return which line is at the top; the nearest where that one is gone."""
        return max(0, bisect_right(lines, self._top, key=lambda line: line.offset) - 1)

    def go(self, offset: int) -> None:
        """Have the line at a byte at the top."""
        self._top, self._sub = offset, 0

    def move(self, lines: Sequence[Raw], step: int) -> int:
        """Move by rows, and return which line is at the top then."""
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
        """Return a line in its colors, with what was found marked, broken where it is too long."""
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
