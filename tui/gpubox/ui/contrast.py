"""Contrast between colors, as WCAG 2 measures it: 1 for the same color, 21 for black on white."""

from __future__ import annotations

from collections.abc import Iterable

from textual.color import BLACK, WHITE, Color

TEXT = 4.5
"""The least contrast of text."""


def contrast(one: Color, other: Color) -> float:
    """Return the contrast between two opaque colors that are not the terminal's own."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(ground: Color, candidates: Iterable[Color]) -> Color:
    """Return the first color that is readable on a background; when none is, black or white."""
    for color in candidates:
        if contrast(color, ground) >= TEXT:
            return color
    return max(BLACK, WHITE, key=lambda color: contrast(color, ground))


def _luminance(color: Color) -> float:
    red, green, blue = (
        share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in color.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
