"""Spans: pieces of text in a named tone, which make up a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from rich.cells import cell_len, set_cell_size

Tone = Literal[
    "text", "muted", "faint", "title", "accent", "util", "memory", "calm", "warn", "alarm", "label"
]
"""The meaning of a span; the theme maps it to a color."""
TONES: tuple[Tone, ...] = get_args(Tone)
"""Every tone."""
Ground = Literal["", "track", "fill"]
"""The background of a span: none, a meter's empty part, or its full part in the tone's color."""

SIGNS: dict[Tone, str] = {"warn": "!", "alarm": "!!"}
"""Color is never the only sign: these accompany it."""


class Span(NamedTuple):
    """A piece of a line; its text is drawn as it is and never parsed."""

    text: str
    tone: Tone = "text"
    ground: Ground = ""
    note: str = ""
    """Its tooltip."""


Line: TypeAlias = tuple[Span, ...]
"""One line of the screen, from left to right."""

EMPTY: Line = ()
"""A blank line."""


def length(line: Iterable[Span]) -> int:
    """Return the width of a line in cells."""
    cells = 0
    for text, *_ in line:
        cells += len(text) if text.isascii() else cell_len(text)
    return cells


def cut(text: str, width: int) -> str:
    """Return text cut to at most `width` cells, with an ellipsis."""
    if width <= 0:
        return ""
    if (len(text) if text.isascii() else cell_len(text)) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def fit(line: Line, width: int) -> Line:
    """Return a line of exactly `width` cells: cut with an ellipsis, or filled with blanks."""
    taken = 0
    for place, span in enumerate(line):
        size = len(span.text) if span.text.isascii() else cell_len(span.text)
        if taken + size > width:
            cropped = span._replace(text=cut(span.text, width - taken))
            rest = width - taken - cell_len(cropped.text)
            return (*line[:place], cropped, *((Span(" " * rest),) if rest else ()))
        taken += size
    return line if taken == width else (*line, Span(" " * (width - taken)))


def spread(left: Line, right: Line, width: int) -> Line:
    """Return one line with text at both ends; the left side is cut when they collide."""
    space = width - length(right)
    if space < 1:
        return fit(right, width)
    return (*fit(left, space), *right)


def beside(parts: Sequence[tuple[Sequence[Line], int]], gap: int = 2) -> list[Line]:
    """Return blocks of lines side by side, each fitted to its own width; short blocks get blank lines."""
    height = max((len(lines) for lines, _ in parts), default=0)
    blank = Span(" " * gap)
    out: list[Line] = []
    for y in range(height):
        spans: list[Span] = []
        for place, (lines, width) in enumerate(parts):
            if place and gap:
                spans.append(blank)
            spans.extend(fit(lines[y] if y < len(lines) else EMPTY, width))
        out.append(tuple(spans))
    return out


def joined(parts: Iterable[Span], width: int, between: str = "  ") -> Line:
    """Return as many of the parts as fit into `width` cells, in order, with something between them."""
    out: list[Span] = []
    taken = 0
    for part in parts:
        size = cell_len(part.text) + (len(between) if out else 0)
        if taken + size > width:
            continue
        if out:
            out.append(Span(between, "faint"))
        out.append(part)
        taken += size
    return tuple(out)


def wrapped(text: str, width: int, tone: Tone = "text", most: int = 6) -> list[Line]:
    """Return text broken at blanks into lines of at most `width` cells, and at most so many lines."""
    lines: list[str] = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and cell_len(longer) > width:
            if len(lines) == most:
                lines[-1] = cut(lines[-1], width - 1) + "…"
                break
            lines.append(word)
        else:
            lines[-1] = longer
    return [(Span(cut(line, width), tone),) for line in lines if line]
