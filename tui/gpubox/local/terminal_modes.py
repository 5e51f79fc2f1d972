"""Tracks which terminal modes a program switched on, so that they can be reset after it was cut off."""

from __future__ import annotations

import re

_MODE = re.compile(
    rb"\x1b\[\?([0-9;]{1,64})([hl])|\x1b\[([<>=?])([0-9;]*)(u|m)|\x1b\[[0-9]? q|\x1bc|\x1b\[!p"
)
_TAIL = 72
"""Bytes of the longest sequence that a piece boundary may split."""
_ON = frozenset({7, 25})
"""Modes that are on in a fresh terminal: lines wrap, the cursor is seen."""
_SCREENS = frozenset({47, 1047, 1049})
"""The alternate screen; it is left last, because some modes belong to it."""


class Modes:
    """Tracks the output to a terminal; see `undo`."""

    def __init__(self) -> None:
        self._changed: set[int] = set()
        self._kitty = 0
        self._keys = False
        self._cursor = False
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Process a piece of output."""
        data = self._tail + data
        end = 0
        for found in _MODE.finditer(data):
            end = found.end()
            self._take(found)
        rest = data[end:][-_TAIL:]
        start = rest.rfind(b"\x1b")
        self._tail = rest[start:] if start >= 0 else b""

    def _take(self, found: re.Match[bytes]) -> None:
        numbers, way, sign, value, kind = found.groups()
        if numbers is not None:
            for text in numbers.split(b";"):
                number = int(text or 0)
                on = way == b"h"
                (self._changed.add if on != (number in _ON) else self._changed.discard)(number)
        elif kind == b"u" and sign in (b"<", b">"):
            count = int(value) if value.isdigit() else 1
            self._kitty = self._kitty + 1 if sign == b">" else max(0, self._kitty - count)
        elif kind == b"m" and sign == b">":
            self._keys = bool(value.partition(b";")[2].strip(b"0;"))
        elif found.group().endswith(b" q"):
            self._cursor = found.group() not in (b"\x1b[ q", b"\x1b[0 q")
        elif kind is None:  # a full reset
            self._changed.clear()
            self._kitty, self._keys, self._cursor = 0, False, False

    def undo(self) -> bytes:
        """Return the sequences that reset a terminal after a program that did not clean up.

        It ends a sequence that was cut short, and switches off only what is on: leaving a screen that was
        never entered would move the cursor.
        """
        out = [b"\x18\x1b[0m\x1b(B\x0f\x1b>"]  # cancel, plain, ASCII, letters; keypad as digits
        if self._kitty:
            out.append(b"\x1b[<%du" % self._kitty)
        if self._keys:
            out.append(b"\x1b[>4m")
        if self._cursor:
            out.append(b"\x1b[0 q")
        if _SCREENS & self._changed:
            out.append(b"\x1b[r")  # scrolling of the whole screen; it homes the cursor, which is put back
        inner_first = sorted(self._changed, key=lambda each: (each in _SCREENS, each))
        out += [b"\x1b[?%d%s" % (number, b"h" if number in _ON else b"l") for number in inner_first]
        self._changed.clear()
        self._kitty, self._keys, self._cursor, self._tail = 0, False, False, b""
        return b"".join(out)
