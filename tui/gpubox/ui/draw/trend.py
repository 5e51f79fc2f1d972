"""A trend as a braille area: two readings per cell, with gaps left open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gpubox.ui.draw.spans import Line, Span, Tone

_LEFT = (0x00, 0x40, 0x44, 0x46, 0x47)
_RIGHT = (0x00, 0x80, 0xA0, 0xB0, 0xB8)
"""Dots of a braille cell's left and right column, filled from below: 0 to 4."""
_BRAILLE = tuple(tuple(chr(0x2800 + left + right) for right in _RIGHT) for left in _LEFT)
GAP = "┈"
"""Marks a gap on the base line."""

BRIDGE_SECONDS = 3.0
"""Seconds without a reading that do not count as a gap, at any interval."""
_BRIDGE_READINGS = 2.5
"""The same in intervals between readings."""

Toning = Callable[[float], Tone]
"""Maps a reading to its tone."""


def bridge(interval: float) -> float:
    """Return the seconds without a reading that do not count as a gap, for an interval between readings."""
    return max(BRIDGE_SECONDS, _BRIDGE_READINGS * interval)


class Windowed(Protocol):
    """Readings by key, such as History."""

    def window(self, key: str, now: float, seconds: int, points: int) -> list[float | None]:
        """Return `points` means over the last `seconds` before `now`, oldest first; None is a gap."""
        ...


def series(
    history: Windowed, key: str, end: float, seconds: int, dots: int, bridge: float = BRIDGE_SECONDS
) -> list[float | None]:
    """Return exactly `dots` readings of the last `seconds`, oldest first; None is a gap.

    Readings never come exactly on the second, so gaps of at most `bridge` seconds are filled with the
    reading before them.
    """
    if dots <= 0:
        return []
    width = -(-seconds // dots)
    points = max(1, seconds // width)
    found = history.window(key, end, seconds, points)
    _bridge(found, max(1, int(bridge // width)) if bridge >= width else 0)
    if points == dots:
        return found
    return [found[dot * points // dots] for dot in range(dots)]


def _bridge(values: list[float | None], most: int) -> None:
    """Fill gaps of at most `most` readings in place, including one at the end."""
    last: int | None = None
    for place, value in enumerate(values):
        if value is None:
            continue
        if last is not None and 1 < place - last <= most + 1:
            values[last + 1 : place] = [values[last]] * (place - last - 1)
        last = place
    if last is not None and 0 < (open_end := len(values) - 1 - last) <= most:
        values[last + 1 :] = [values[last]] * open_end


def trend(
    values: Sequence[float | None], height: int, low: float, high: float, tone: Tone | Toning
) -> list[Line]:
    """Return `height` lines of half as many cells as there are values.

    A reading at or under `low` still shows one dot, so that zero and a gap look different.
    """
    if height <= 0:
        return []
    tops = [_dots(value, height * 4, low, high) for value in values]
    if len(tops) % 2:
        tops.insert(0, 0)
        values = [None, *values]
    tones = _tones(values, tone)
    out: list[Line] = []
    for row in range(height):
        floor = 4 * (height - 1 - row)
        cells = [
            _BRAILLE[max(0, min(4, tops[place] - floor))][max(0, min(4, tops[place + 1] - floor))]
            for place in range(0, len(tops), 2)
        ]
        out.append(_runs(cells, tones, ground=floor == 0))
    return out


def _dots(value: float | None, most: int, low: float, high: float) -> int:
    if value is None:
        return 0
    span = high - low
    share = max(0.0, min(1.0, (value - low) / span)) if span > 0 else 0.0
    return max(1, round(share * most))


def _tones(values: Sequence[float | None], tone: Tone | Toning) -> list[Tone | None]:
    """Return a tone for each cell, by its higher reading; None where both are missing."""
    out: list[Tone | None] = []
    for place in range(0, len(values), 2):
        seen = [value for value in values[place : place + 2] if value is not None]
        if not seen:
            out.append(None)
        else:
            out.append(tone(max(seen)) if callable(tone) else tone)
    return out


def _runs(cells: Sequence[str], tones: Sequence[Tone | None], *, ground: bool) -> Line:
    """Join neighbors of one tone: a line of 100 cells is mostly one span."""
    spans: list[Span] = []
    start = 0
    for place in range(1, len(cells) + 1):
        if place < len(cells) and tones[place] == tones[start]:
            continue
        tone = tones[start]
        if tone is None:
            spans.append(Span((GAP if ground else " ") * (place - start), "faint"))
        else:
            spans.append(Span("".join(cells[start:place]).replace("\u2800", " "), tone))
        start = place
    return tuple(spans)


def captioned(lines: list[Line], caption: str) -> list[Line]:
    """Write a caption over the upper left corner of a graph of two or more lines."""
    if len(lines) < 2 or not caption:
        return lines
    skip = len(caption) + 1
    rest: list[Span] = []
    for span in lines[0]:
        rest.append(span._replace(text=span.text[skip:]))
        skip = max(0, skip - len(span.text))
    return [(Span(caption + " ", "muted"), *rest), *lines[1:]]
