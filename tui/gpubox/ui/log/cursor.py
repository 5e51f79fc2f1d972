"""Lines over which a program moves the cursor, such as nested progress bars, drawn as in a terminal."""

from __future__ import annotations

import re
from bisect import bisect_left

import msgspec
from rich.cells import get_character_cell_size

from gpubox.core.sanitize import clean
from gpubox.ui.log.ansi import PARTIAL, PLAIN, TAB, Pen, Raw, after, pieces, sgr

REACH = 64
"""Lines at the end that the cursor can reach, like the height of a terminal."""
COLUMNS = 512
"""Most cells of such a line; text beyond is not drawn."""
_WAITS = 4096
"""Most bytes of an unfinished escape sequence that are buffered."""
_MARKS = 8
"""Most characters in one cell: a letter and its accents."""

MOVES = re.compile(rb"\x1b\[[0-9;]*[A-G]")
"""Sequences that move the cursor: CUU, CUD, CUF, CUB, CNL, CPL and CHA (ECMA-48, 8.3)."""

_TOKEN = re.compile(
    rb"(?P<text>[ -~\x80-\xff]+)"
    rb"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    rb"|\x1b(?:"
    rb"\[(?P<parameters>[0-9:;<=>?]*)[ -/]*(?P<final>[@-~])"
    rb"|\[[0-9:;<=>?]*[ -/]*(?=[^ -~])"  # broken off
    rb"|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\|(?=\x1b[^\\]|\n))"  # OSC, DCS, SOS, PM, APC
    rb"|[ -/]+[0-~]|[0-OQ-WYZ\\`-~]"  # two characters or more
    rb"|(?=[^ -~])"  # none at all
    rb")"
)


class Cursor:
    """The cursor on the last lines of a window, for lines that contain MOVES."""

    def __init__(self, lines: list[Raw]) -> None:
        self.active = False
        """Whether the last line has moves and has not ended."""
        self.pen = PLAIN
        """The style of the next output."""
        self._lines = lines
        self._up = 0
        """Lines between the cursor and the last one."""
        self._column = 0
        self._rows: dict[int, _Cells] = {}
        """Lines that changed since the last flush, by their offset in the file."""
        self._rest = b""

    def begin(self, offset: int, pen: Pen) -> None:
        """Begin a line at a byte of the file."""
        self.active, self.pen = True, pen
        self._lines.append(Raw(b"", offset, 0, PLAIN, whole=False))
        self._up = self._column = 0
        self._rest = b""

    def write(self, data: bytes, end: int) -> int | None:
        """Write the next bytes of the file, which end at offset `end`.

        Returns the offset of the next line once the last one has ended, else None.
        """
        data = self._rest + data
        self._rest = b""
        self._up = min(self._up, len(self._lines) - 1)
        place = 0
        ended: int | None = None
        while place < len(data) and ended is None:
            token = _TOKEN.match(data, place)
            if token is None:
                if len(data) - place < _WAITS:
                    self._rest = data[place:]
                    break
                place += 1  # too long without an end: the rest is text
                continue
            place = token.end()
            if text := token["text"]:
                if place == len(data) and (cut := PARTIAL.search(text)):
                    self._rest = cut[0]
                    text = text[: cut.start()]
                self._row().put(self._column, text.decode("utf-8", "replace"), self.pen)
                self._column = self._row().column
            elif token["control"]:
                if token["control"] == b"\n" and self._up == 0:
                    ended = end - len(data) + place
                else:
                    self._control(token["control"])
            elif token["final"]:
                self._sequence(token[0], token["parameters"], token["final"])
        self.active = ended is None
        last = self._lines[-1]
        size = (end if ended is None else ended) - last.offset
        self._lines[-1] = msgspec.structs.replace(last, size=size, whole=not self.active)
        return ended

    def flush(self) -> None:
        """Write the changes to the lines."""
        for offset, row in self._rows.items():
            at = bisect_left(self._lines, offset, key=lambda line: line.offset)
            self._lines[at] = msgspec.structs.replace(self._lines[at], data=row.data, pen=PLAIN)
        self._rows.clear()

    def _row(self, up: int | None = None) -> _Cells:
        line = self._lines[-1 - (self._up if up is None else up)]
        row = self._rows.get(line.offset)
        if row is None:
            row = self._rows[line.offset] = _Cells(line)
        return row

    def _control(self, control: bytes) -> None:
        if control == b"\r":
            self._column = 0
        elif control == b"\n":
            self._up, self._column = self._up - 1, 0
        elif control == b"\t":
            self._go(self._column + TAB - self._column % TAB)
        elif control == b"\x08":
            self._go(self._column - 1)

    def _go(self, column: int) -> None:
        self._column = max(0, min(column, COLUMNS - 1))

    def _sequence(self, whole: bytes, parameters: bytes, final: bytes) -> None:
        if final == b"m":
            self.pen = after(whole, self.pen)
            return
        first = parameters.split(b";")[0][:6]
        if first and not first.isdigit():
            return  # a private sequence
        number = int(first or b"0")
        count = number or 1
        if final in b"AF":
            self._up = min(self._up + count, len(self._lines) - 1, REACH - 1)
        elif final in b"BE":
            self._up = max(0, self._up - count)
        elif final in b"CD":
            self._go(self._column + (count if final == b"C" else -count))
        elif final == b"G":
            self._go(count - 1)
        elif final == b"K":
            self._row().erase(self._column, number)
        elif final == b"J" and number == 0:
            self._row().erase(self._column, 0)
            for up in range(self._up):
                self._row(up).erase(0, 2)
        if final in b"EF":
            self._column = 0


class _Cells:
    """One line as cells: a wide character is followed by an empty cell."""

    def __init__(self, line: Raw) -> None:
        self.column = 0
        """The cell after the last output."""
        self._text: list[str] = []
        self._pens: list[Pen] = []
        for piece in pieces(line.data, line.pen, whole=True):
            self.put(self.column, piece.text, piece.pen)

    def put(self, column: int, text: str, pen: Pen) -> None:
        """Overwrite the cells from a column on."""
        text = clean(text, len(text) + 1)
        cells = list(text) if text.isascii() else self._spread(column, text)
        del cells[max(0, COLUMNS - column) :]
        self.column = end = min(column + len(cells), COLUMNS)
        if not cells:
            return
        self._fill(end)
        if self._text[column] == "" and column:
            self._text[column - 1] = " "
        if end < len(self._text) and self._text[end] == "":
            self._text[end] = " "
        self._text[column:end] = cells
        self._pens[column:end] = [pen] * len(cells)

    def _spread(self, column: int, text: str) -> list[str]:
        """Return the cells of text; a combining mark joins the character before it."""
        cells: list[str] = []
        for char in text:
            size = get_character_cell_size(char)
            if size:
                cells += [char, ""][:size]
                continue
            into, at = (cells, len(cells) - 1) if cells else (self._text, min(column, len(self._text)) - 1)
            if at > 0 and into[at] == "":
                at -= 1
            if at >= 0 and len(into[at]) < _MARKS:
                into[at] += char
        return cells

    def _fill(self, end: int) -> None:
        if (missing := end - len(self._text)) > 0:
            self._text += [" "] * missing
            self._pens += [PLAIN] * missing

    def erase(self, column: int, part: int) -> None:
        """Erase from a column to the end (0), from the start up to it (1), or all (2), as EL does."""
        if part == 1:
            self._fill(column + 1)
            self._text[: column + 1] = [" "] * (column + 1)
            self._pens[: column + 1] = [PLAIN] * (column + 1)
            if self._text[column + 1 : column + 2] == [""]:
                self._text[column + 1] = " "
        elif part in (0, 2):
            begin = column if part == 0 else 0
            del self._text[begin:]
            del self._pens[begin:]

    @property
    def data(self) -> bytes:
        """The line with its colors, as a program without cursor moves would write it."""
        out: list[str] = []
        pen = PLAIN
        for char, of in zip(self._text, self._pens, strict=True):
            if of is not pen and of != pen:
                out.append(sgr(of))
                pen = of
            out.append(char)
        if pen != PLAIN:
            out.append(sgr(PLAIN))
        return "".join(out).encode()
