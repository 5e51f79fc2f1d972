"""A window of lines over a log of any size: only lines near the view are in memory."""

from __future__ import annotations

import re
from itertools import accumulate, repeat
from operator import sub

import msgspec

from gpubox.ui.log.ansi import PLAIN, Raw, after, shown_last
from gpubox.ui.log.cursor import MOVES, Cursor

MOST_BYTES = 1024 * 1024
"""Most bytes of the log in the window; with lines of 70 characters it takes 4 MiB."""
MOST = 16_000
"""Most lines in the window; short ones take 200 bytes each."""
LONGEST = 8192
"""Most bytes of a line; a longer one continues in the next."""


_STARTS = re.compile(rb"[\r\n]")
_ENDED = re.compile(rb"\x1b(?:\[[0-9:;<=>? -/]*[@-~]|[ -/]*[0-Z\\^-~])")


class Window:
    """Lines from `start` to `end` of a log, in order and without a gap."""

    def __init__(self) -> None:
        self.lines: list[Raw] = []
        """The lines; the last one may be incomplete."""
        self.start = 0
        """The offset of the first line in the file."""
        self.end = 0
        """The offset after the last line."""
        self._open = b""
        self._since = 0
        self._pen = PLAIN
        self._skips = False
        self._cursor = Cursor(self.lines)

    def restart(self, offset: int, *, within: bool) -> None:
        """Drop all lines; the next bytes are at `offset`, and `within` a line, whose rest is skipped."""
        self.lines = []
        self.start = self.end = self._since = offset
        self._open, self._pen, self._skips = b"", PLAIN, within
        self._cursor = Cursor(self.lines)

    def add(self, data: bytes) -> None:
        """Add the next bytes of the file."""
        if self._skips:
            data = self._skip(data)
        while data:
            data = self._write(data) if self._cursor.active else self._add_lines(data)
        self._cursor.flush()

    def _add_lines(self, data: bytes) -> bytes:
        """Add lines up to the first that moves the cursor; return the rest from there on."""
        left = b""
        if b"\x1b" in data or b"\x1b" in self._open:
            known = self._open + data
            if moves := MOVES.search(known):
                begin = known.rfind(b"\n", 0, moves.start()) + 1
                if not begin:
                    return self._move(known)
                left = known[begin:]
                data = data[: len(data) - len(left)]
        self._take(data)
        return left

    def _move(self, line: bytes) -> bytes:
        """Begin a line that moves the cursor."""
        if self.lines and not self.lines[-1].whole:
            self.lines.pop()
        self.end -= len(self._open)
        self._open = b""
        self._cursor.begin(self._since, self._pen)
        return line

    def _write(self, data: bytes) -> bytes:
        """Write at the cursor; return the rest after the end of the last line."""
        end = self.end + len(data)
        ended = self._cursor.write(data, end)
        if ended is None:
            self.end = end
            return b""
        self._pen = self._cursor.pen
        self.end = self._since = ended
        return data[len(data) - (end - ended) :]

    def _take(self, data: bytes) -> None:
        """Add text without cursor moves."""
        if self.lines and not self.lines[-1].whole:
            self.lines.pop()
        *parts, rest = data.split(b"\n")
        if parts:
            ends = list(accumulate((len(part) + 1 for part in parts), initial=self.end))[1:]
            parts[0] = self._open + parts[0]
            self._open = b""
            self._close_all(parts, ends, plain=_plain(data))
            self.end = ends[-1]
        self.end += len(rest)
        self._hold(self._open + rest)

    def _close_all(self, lines: list[bytes], ends: list[int], *, plain: bool) -> None:
        """Add complete lines; those of a `plain` piece, without bars and colors, all at once."""
        if not plain or not _plain(lines[0]) or len(max(lines, key=len)) > LONGEST:
            for line, end in zip(lines, ends, strict=True):
                self._close(line, end)
        else:
            begins = [self._since, *ends[:-1]]
            sizes = map(sub, ends, begins)
            self.lines += map(Raw, lines, begins, sizes, repeat(self._pen), repeat(True))
            self._since = ends[-1]

    def _skip(self, data: bytes) -> bytes:
        """Skip the rest of a line whose start is unknown; of a bar or an endless line only a part."""
        found = _STARTS.search(data)
        if found is not None:
            skipped = found.end()
        elif self.end - self.start + len(data) >= LONGEST:
            skipped = 0
            while skipped < len(data) and data[skipped] & 0xC0 == 0x80:
                skipped += 1
        else:
            self.end += len(data)
            return b""
        self._skips = False
        self.end += skipped
        self.start = self._since = self.end
        return data[skipped:]

    def _close(self, line: bytes, end: int) -> None:
        """Add a complete line; `end` is the offset after it."""
        if b"\r" in line:
            begin, last = shown_last(line)
            pen = after(line[:begin], self._pen) if begin else self._pen
            self.lines.append(
                Raw(line[begin:last][:LONGEST], self._since, end - self._since, pen, whole=True)
            )
        else:
            if len(line) > LONGEST:
                line = self._pieces(line)
            self.lines.append(Raw(line, self._since, end - self._since, self._pen, whole=True))
        if b"\x1b" in line:
            self._pen = after(line, self._pen)
        self._since = end

    def _pieces(self, line: bytes) -> bytes:
        """Add the pieces of an overlong line, except the last, which is returned."""
        while len(line) > LONGEST:
            cut = _cut(line)
            piece, line = line[:cut], line[cut:]
            self.lines.append(Raw(piece, self._since, cut, self._pen, whole=True))
            if b"\x1b" in piece:
                self._pen = after(piece, self._pen)
            self._since += cut
        return line

    def _hold(self, line: bytes) -> None:
        """Store an incomplete line, and show its present part."""
        if len(line) > LONGEST:
            if b"\r" in line:
                # Overwritten states of bars are not stored, but count; the last two are stored.
                bar = line.rfind(b"\r", 0, line.rfind(b"\r"))
                cut = max(bar, len(line) - LONGEST)
                self._pen = after(line[:cut], self._pen)
                line = line[cut:]
            else:
                line = self._pieces(line)
        self._open = line
        if line:
            begin, last = shown_last(line) if b"\r" in line else (0, len(line))
            pen = after(line[:begin], self._pen) if begin else self._pen
            self.lines.append(
                Raw(line[begin:last][:LONGEST], self._since, self.end - self._since, pen, whole=False)
            )

    def put_before(self, offset: int, data: bytes) -> int:
        """Insert the bytes right before the window; return the number of new lines."""
        page = Window()
        page.restart(offset, within=offset > 0)
        page.add(data)
        lines = page.lines
        if lines and not lines[-1].whole:
            lines[-1] = msgspec.structs.replace(lines[-1], whole=True)
        if lines:
            self.start = lines[0].offset
            self.lines[:0] = lines
        return len(lines)

    @property
    def crowded(self) -> bool:
        """Whether the window is over a limit."""
        return len(self.lines) > MOST or self._held > MOST_BYTES

    @property
    def _held(self) -> int:
        """Bytes in the window, without overwritten states of bars."""
        span = self.end - self.start
        return span if span <= MOST_BYTES else sum(map(_weight, self.lines))

    def drop_before(self) -> int:
        """Drop lines at the front until the window is within its limits; return how many."""
        count = max(0, len(self.lines) - MOST)
        if (over := self._held - MOST_BYTES) > 0:
            held = accumulate(map(_weight, self.lines))
            front = next(number for number, weight in enumerate(held, 1) if weight >= over)
            count = max(count, min(front, len(self.lines) - 1))
        if count:
            del self.lines[:count]
            self.start = self.lines[0].offset
        return count

    def drop_behind(self) -> bool:
        """Drop lines at the end until the window is within its limits; return whether any were dropped."""
        keep = min(len(self.lines), MOST)
        if self._held > MOST_BYTES:
            held = accumulate(map(_weight, self.lines))
            keep = min(keep, max(1, sum(1 for weight in held if weight <= MOST_BYTES)))
        if keep == len(self.lines):
            return False
        del self.lines[keep:]
        self.end = self._since = self.lines[-1].end
        self._open, self._skips, self._cursor = b"", False, Cursor(self.lines)
        self._pen = after(self.lines[-1].data, self.lines[-1].pen)
        return True


def _weight(line: Raw) -> int:
    """Return the bytes of a line that count for MOST_BYTES, including its end."""
    return len(line.data) + 1


def _plain(data: bytes) -> bool:
    """Return whether bytes contain neither progress bars nor colors."""
    return b"\r" not in data and b"\x1b" not in data


def _cut(line: bytes) -> int:
    """Return where to cut an overlong line: outside of characters and escape sequences."""
    cut = LONGEST
    while cut > LONGEST - 4 and line[cut] & 0xC0 == 0x80:
        cut -= 1
    escape = line.rfind(b"\x1b", cut - 64, cut)
    if escape > 0 and not _ENDED.match(line, escape, cut):
        cut = escape
    return cut
