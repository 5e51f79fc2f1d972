"""Meters: a bar exact to an eighth of a cell, with its value beside or inside it."""

from __future__ import annotations

from gpubox.common.units import DASH
from gpubox.ui.draw.spans import SIGNS, Line, Span, Tone

EIGHTHS = " ▏▎▍▌▋▊▉"
"""Characters for eighths of a cell, from none to seven."""


def bar(share: float | None, width: int, tone: Tone) -> Line:
    """Return a bar of `width` cells that is `share` percent full; blank for an unknown share."""
    if width <= 0:
        return ()
    if share is None:
        return (Span(" " * width),)
    eighths = round(min(100.0, max(0.0, share)) * width * 8 / 100)
    if share and not eighths:
        eighths = 1  # a small share must not look like none
    whole, part = divmod(eighths, 8)
    edge = EIGHTHS[part] if part else ""
    return (
        Span("█" * whole + edge, tone, "track"),
        Span(" " * (width - whole - len(edge)), tone, "track"),
    )


def meter(
    label: str,
    share: float | None,
    value: str,
    width: int,
    tone: Tone,
    *,
    label_width: int = 5,
    value_width: int = 11,
    note: str = "",
) -> Line:
    """Return `label ████▌     value !` in exactly `width` cells; the bar takes what is left.

    The value is flush right, so that digits never jump; a sign accompanies a warning color. The bar is left
    out if it would be shorter than four cells.
    """
    sign = f"{SIGNS.get(tone, ''):<2}"
    room = width - label_width - value_width - 3
    plain: Tone = "faint" if value == DASH else "text"
    right = Span(f"{value:>{value_width}}", tone if tone in SIGNS else plain, "", note)
    middle = (*bar(share, room, tone), Span(" ")) if room >= 4 else (Span(" " * max(0, room + 1)),)
    return (Span(f"{label:<{label_width}}", "muted", "", note), *middle, right, Span(sign, tone))


def inside(share: float | None, value: str, width: int, tone: Tone, note: str = "") -> Line:
    """Return a bar of `width` cells with its value written inside, flush right; for tables."""
    text = f"{value + SIGNS.get(tone, ''):>{width}}"[-width:]
    full = round(min(100.0, max(0.0, share or 0.0)) * width / 100)
    if share and not full:
        full = 1
    return (Span(text[:full], tone, "fill", note), Span(text[full:], "text", "track", note))
