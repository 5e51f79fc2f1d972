"""Makes remote text safe to draw."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 512
"""Most characters of a piece of remote text that is shown in a row."""

_HARMLESS_FORMATS = frozenset("\u200d\u200c")
"""Joiners inside emoji and several scripts; they move nothing on the screen."""

_ESCAPE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]?|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
"""Escape sequences: colors, cursor movement, window titles."""
_BREAK = re.compile(rb"[\r\n]+")


def clean(text: str, limit: int = LONGEST) -> str:
    """Return text without control, bidirectional or unassigned characters, on one line, at most `limit` long.

    Line breaks and tabs become a space; every other character that a terminal could act on becomes
    U+FFFD, so that the user sees that something was there. Cut text ends with an ellipsis.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    head = text[: limit + 1]
    out = "".join(_safe(character) for character in head)
    return out[: limit - 1] + "…" if len(text) > limit else out


def _safe(character: str) -> str:
    if character.isprintable() or character in _HARMLESS_FORMATS:
        return character
    if character in "\t\n\r\v\f\x85\u2028\u2029":
        return " "
    if unicodedata.category(character) == "Zs":
        return " "
    return "\ufffd"


def clean_bytes(data: bytes, limit: int = LONGEST) -> str:
    """Return bytes of the box as drawable text; what is not UTF-8 becomes U+FFFD."""
    return clean(data[: 4 * limit + 4].decode("utf-8", "replace"), limit)


def last_line(data: bytes, limit: int = 200) -> str:
    """Return the last line of what a program wrote, safe to draw; empty when it wrote nothing."""
    return clean_bytes(data.strip().rpartition(b"\n")[2], limit)


def as_bytes(text: str) -> bytes:
    """Return text as UTF-8; bytes that Python escaped as surrogates are restored."""
    return text.encode("utf-8", "surrogateescape")


def clean_lines(log: bytes, limit: int = LONGEST) -> list[str]:
    """Return the non-blank lines of a log, drawable, without escape sequences.

    Each state of a progress bar is a line of its own.
    """
    lines = (line.strip() for line in _BREAK.split(_ESCAPE.sub(b"", log)))
    return [clean_bytes(line, limit) for line in lines if line]


def cells(text: str) -> int:
    """Return the terminal cells of a text: East Asian wide characters take two, combining marks none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)


def aligned(rows: Sequence[Sequence[str]], *, gap: str = "  ", right: bool = False) -> list[str]:
    """Return rows of equal length as lines with aligned columns.

    With `right` all but the first column are flush right, as numbers are.
    """
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for row in rows:
        padded = [
            fill + cell if right and place else cell + fill
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            for fill in (" " * (width - cells(cell)),)
        ]
        lines.append(gap.join(padded).rstrip())
    return lines
