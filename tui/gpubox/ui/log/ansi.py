"""Makes lines of a log safe to draw: keeps colors, and removes all other escape sequences."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec
from rich.color import Color
from rich.style import Style

from gpubox.core.sanitize import clean

TAB = 8
"""Cells between tab stops."""

_ESCAPE = re.compile(
    r"\x1b(?:"
    r"\[([0-9:;<=>?]*)[ -/]*([@-~])"  # CSI: parameters, last character
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, hyperlinks, clipboard, notifications
    r"|[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\[[0-9:;<=>? -/]*$"  # cut inside a CSI: the rest is still to come
    r"|[ -/]*[0-~]?"  # two characters, or cut inside them
    r")"
)
_SGR = re.compile(rb"\x1b\[([0-9:;]*)m")
_CONTROL = re.compile(rb"\x1b(?:$|\[[0-9:;?]*(?:$|[A-Za-z]))")
_OVERSTRUCK = re.compile(r"[^\x08]\x08(?=.)")
PARTIAL = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})$")
"""A UTF-8 character that is cut at the end of a piece."""

_ATTRIBUTES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "reverse", 9: "strike"}
_ENDS = {
    21: ("bold",),
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    27: ("reverse",),
    29: ("strike",),
}


class Pen(NamedTuple):
    """The style at the start of a line: what earlier lines switched on and never off."""

    front: str = ""
    """Foreground: `4` for one of 256, `#rrggbb`, or empty for the terminal's own."""
    ground: str = ""
    attributes: frozenset[str] = frozenset()


PLAIN = Pen()
"""No color at all."""


class Raw(msgspec.Struct, frozen=True, gc=False):
    """One line of the file; gc=False, because the garbage collector must not walk thousands of them."""

    data: bytes
    """The drawn bytes: of a progress bar only its last state."""
    offset: int
    """Its offset in the file."""
    size: int
    """Its bytes in the file, including the line end."""
    pen: Pen
    """The style that it begins with."""
    whole: bool
    """Whether it has ended; the last line may still grow."""

    @property
    def end(self) -> int:
        """The offset of the next line."""
        return self.offset + self.size


class AnsiPiece(NamedTuple):
    """Text in one style; safe to draw, without tabs."""

    text: str
    pen: Pen


def after(line: bytes, pen: Pen) -> Pen:
    """Return the pen after a line."""
    for match in _SGR.finditer(line):
        pen = _turn(match[1].decode("ascii"), pen)
    return pen


def sgr(pen: Pen) -> str:
    """Return the escape sequence that switches to a pen from any other."""
    codes = ["0"]
    codes += [str(code) for code, name in _ATTRIBUTES.items() if name in pen.attributes]
    for code, color in (("38", pen.front), ("48", pen.ground)):
        if color.startswith("#"):
            codes += [code, "2", *(str(int(color[at : at + 2], 16)) for at in (1, 3, 5))]
        elif color:
            codes += [code, "5", color]
    return f"\x1b[{';'.join(codes)}m"


def pieces(line: bytes, pen: Pen, *, whole: bool) -> tuple[AnsiPiece, ...]:
    """Return a line as drawn pieces; of a progress bar, its last state.

    Unless the line is `whole`, a character or an escape sequence that is cut at its end is left out.
    """
    if not whole:
        line = PARTIAL.sub(b"", line)
    text = line.decode("utf-8", "replace")
    out: list[AnsiPiece] = []
    column = begin = 0
    if "\x08" in text:
        text = _overstruck(text)
    for match in _ESCAPE.finditer(text):
        column = _add(out, text[begin : match.start()], pen, column)
        begin = match.end()
        if match[2] == "m" and match[1] is not None:
            pen = _turn(match[1], pen)
    _add(out, text[begin:], pen, column)
    return tuple(out)


def _add(out: list[AnsiPiece], text: str, pen: Pen, column: int) -> int:
    """Add the text between two escape sequences, tabs as blanks; return the column after it."""
    if not text:
        return column
    if "\t" in text:
        filled = ""
        for number, part in enumerate(text.split("\t")):
            if number:
                filled += " " * (TAB - (column + len(filled)) % TAB)
            filled += part
        text = filled
    out.append(AnsiPiece(clean(text, len(text) + 1), pen))
    return column + len(text)


def _overstruck(text: str) -> str:
    """Apply backspaces: spinners and old progress bars overwrite their output."""
    for _ in range(4):
        if "\x08" not in text:
            break
        text = _OVERSTRUCK.sub("", text)
    return text.replace("\x08", "")


def shown_last(line: bytes) -> tuple[int, int]:
    """Return the visible range of a line with carriage returns: its last non-empty part."""
    end = len(line)
    while end:
        begin = line.rfind(b"\r", 0, end) + 1
        if _visible(line[begin:end]):
            return begin, end
        end = max(0, begin - 1)
    return 0, 0


def _visible(part: bytes) -> bool:
    """Return whether a piece draws anything; blanks alone erase a bar, and count as nothing."""
    if b"\x1b" in part:
        part = _CONTROL.sub(b"", part)
    return bool(part.strip())


@lru_cache(maxsize=1024)
def _turn(parameters: str, pen: Pen) -> Pen:
    """Return a pen after an SGR sequence."""
    front, ground, attributes = pen
    codes = _codes(parameters)
    place = 0
    while place < len(codes):
        code = codes[place]
        place += 1
        if code == 0:
            front, ground, attributes = PLAIN
        elif code in _ATTRIBUTES:
            attributes |= {_ATTRIBUTES[code]}
        elif code in _ENDS:
            attributes -= set(_ENDS[code])
        elif code in (38, 48):
            color, taken = _extended(codes[place:])
            place += taken
            front, ground = (color or front, ground) if code == 38 else (front, color or ground)
        elif code in (39, 49):
            front, ground = ("", ground) if code == 39 else (front, "")
        elif color := _basic(code):
            front, ground = (
                (color, ground) if code in range(30, 38) or code in range(90, 98) else (front, color)
            )
    return Pen(front, ground, frozenset(attributes))


def _codes(parameters: str) -> list[int]:
    """Return the numbers of an SGR sequence; `4:3` is an underline, `38:2::r:g:b` a color as `38;2;r;g;b`."""
    out: list[int] = []
    for group in parameters.split(";"):
        parts = group.split(":")
        if len(parts) > 1 and parts[0] in ("38", "48"):
            if len(parts) == 6 and parts[1] == "2":
                del parts[2]  # the color space
        elif parts[0] == "4" and len(parts) > 1:
            parts = ["24" if parts[1] == "0" else "4"]
        else:
            parts = parts[:1]
        out += [int(part) if part.isdecimal() and len(part) < 6 else 0 for part in parts]
    return out


def _extended(rest: list[int]) -> tuple[str, int]:
    """Return the color that follows 38 or 48, and how many numbers it took."""
    if rest[:1] == [5] and len(rest) >= 2:
        return (str(rest[1]) if rest[1] < 256 else ""), 2
    if rest[:1] == [2] and len(rest) >= 4:
        red, green, blue = (min(255, value) for value in rest[1:4])
        return f"#{red:02x}{green:02x}{blue:02x}", 4
    return "", len(rest)


def _basic(code: int) -> str:
    """Return one of the sixteen colors, or "" for any other code."""
    for first, color in ((30, 0), (40, 0), (90, 8), (100, 8)):
        if code in range(first, first + 8):
            return str(code - first + color)
    return ""


@lru_cache(maxsize=1024)
def style(pen: Pen) -> Style:
    """Return the style of a pen."""
    return Style(
        color=_color(pen.front),
        bgcolor=_color(pen.ground),
        **dict.fromkeys(pen.attributes, True),  # pyright: ignore[reportArgumentType] names of Style's own
    )


def _color(name: str) -> Color | None:
    if not name:
        return None
    return Color.parse(name) if name.startswith("#") else Color.from_ansi(int(name))
