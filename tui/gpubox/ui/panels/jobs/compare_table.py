"""The table of a comparison: verdict, figures of each side, and other differences."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.jobs.compare.comparison import Comparison
from gpubox.boxes.jobs.compare.export import sentence, table
from gpubox.common.units import DASH
from gpubox.ui.draw.spans import EMPTY, Line, Span, Tone, cut, length, wrapped

_GAP = 2
_NAMES = 24
"""Most cells of the names of rows."""
_REST = (
    "GPU power, most",
    "GPU temperature, most",
    "GPU clock, mean",
    "GPU throttled",
    "activation",
    "major page faults",
    "voluntary switches",
    "involuntary switches",
)
"""Figures of minor interest: they come after the differences, which explain the other figures."""


def draw_table(comparison: Comparison, width: int) -> list[Line]:
    """Return the verdict, the notes, the figures side by side, the differences, and the lesser figures."""
    out: list[Line] = []
    for speed in comparison.speedups:
        out += wrapped(sentence(speed), width, "title")
    for note in comparison.notes:
        failed = "did not finish" in note or "failed" in note
        lines = wrapped(note, max(10, width - 2), "alarm" if failed else "warn")
        out += [(Span("! " if not place else "  ", "warn"), *line) for place, line in enumerate(lines)]
    out += [EMPTY] if out else []
    labels = tuple(side.label for side in comparison.sides)
    rows = [("", labels), *table(comparison)]
    figures = _columns(rows, width, right=True)
    if not comparison.differences:
        return [*out, *figures]
    out += [line for (name, _), line in zip(rows, figures, strict=True) if name not in _REST]
    out += [EMPTY, *_columns([("What differs", labels), *comparison.differences], width)]
    rest = [line for (name, _), line in zip(rows, figures, strict=True) if name in _REST]
    return [*out, *([EMPTY, *rest] if rest else [])]


def _columns(rows: Sequence[tuple[str, tuple[str, ...]]], width: int, *, right: bool = False) -> list[Line]:
    """Return rows in columns as wide as the room allows, numbers flush right; the first is the heading."""
    names = min(_NAMES, max(length((Span(name),)) for name, _ in rows))
    count = len(rows[0][1])
    room = max(6, (width - names - _GAP * count) // count)
    widths = [min(room, max(length((Span(cells[place]),)) for _, cells in rows)) for place in range(count)]
    out: list[Line] = []
    for number, (name, cells) in enumerate(rows):
        spans: list[Span] = [Span(_padded(name, names), "muted" if number else "title")]
        for cell, wide in zip(cells, widths, strict=True):
            tone: Tone = "accent" if not number else "text" if cell and cell != DASH else "faint"
            spans += [Span(" " * _GAP), Span(_padded(cell or DASH, wide, right=right), tone)]
        out.append(tuple(spans))
    return out


def _padded(text: str, width: int, *, right: bool = False) -> str:
    text = cut(text, width)
    fill = " " * max(0, width - length((Span(text),)))
    return fill + text if right else text + fill
