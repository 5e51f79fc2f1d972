"""Searches a log: in the loaded window first, then on the box, and counts the matching lines."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from gpubox.boxes.jobs.backend import Counted, Found, LogStream, Page, Search
from gpubox.common.escapes import without_escapes
from gpubox.core.sanitize import as_bytes
from gpubox.ui.log.ansi import Raw

LINES = 999_999
"""Most matching lines that are counted."""
BYTES = 8 << 30
"""Most bytes of a log that are searched for counting; the box takes half a minute for them."""


class Logs(Protocol):
    """A source of logs: box.use(Jobs)."""

    def follow(self, job: str, offset: int) -> AbstractAsyncContextManager[LogStream]:
        """Follow the log from an offset, through drops of the link; negative offsets count from the end."""
        ...

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of the log; negative offsets count from the end."""
        ...

    async def search(self, job: str, query: Search, offset: int) -> Found:
        """Search the log on the box for about a second, from the start of a line."""
        ...

    async def count(self, job: str, query: Search, offset: int, end: int | None = None) -> Counted:
        """Count matches on the box for about a second, up to offset `end` or the end of the log."""
        ...


class Hit(NamedTuple):
    """The result of a search."""

    at: int | None
    """The offset of the matching line; None when no line of the log matches."""
    wrapped: bool
    """Whether the search wrapped."""


def look(lines: Sequence[Raw], query: Search, edge: int) -> tuple[int | None, int]:
    """Search lines of a window from offset `edge`, which is the start of a line.

    Returns the offset of the found line, or None and the offset from which the box has to search. Lines
    that the window does not hold unchanged are left to the box.
    """
    raw = re.compile(re.escape(as_bytes(query.words)), 0 if query.exact else re.IGNORECASE)
    index = bisect_left(lines, edge, key=lambda line: line.offset)
    if query.step > 0:
        while index < len(lines) and lines[index].offset == edge and _as_in_log(lines, index):
            if raw.search(without_escapes(lines[index].data)):
                return edge, edge
            edge = lines[index].end
            index += 1
    else:
        while index > 0 and lines[index - 1].end == edge and _as_in_log(lines, index - 1):
            index -= 1
            edge = lines[index].offset
            if raw.search(without_escapes(lines[index].data)):
                return edge, edge
    return None, edge


def behind(lines: Sequence[Raw], offset: int) -> int:
    """Return the offset after the line at an offset, including all its pieces."""
    index = bisect_right(lines, offset, key=lambda line: line.offset) - 1
    if index < 0:
        return offset
    while index < len(lines) - 1 and _is_piece(lines[index]):
        index += 1
    return lines[index].end


def _is_piece(line: Raw) -> bool:
    """Return whether a line continues in the next one, because it is too long."""
    return line.size == len(line.data)


def _as_in_log(lines: Sequence[Raw], index: int) -> bool:
    """Return whether a line is unchanged: neither a piece of a long line nor the last state of a bar."""
    line = lines[index]
    begins = line.offset == 0 or (index > 0 and not _is_piece(lines[index - 1]))
    return begins and line.whole and line.size - len(line.data) in (1, 2)  # its end, maybe of Windows


class Count:
    """The number of matching lines of a log, as far as the box has counted."""

    def __init__(self, logs: Logs, job: str, query: Search) -> None:
        self.size = -1
        """Bytes of the log at the last count; -1 before the first."""
        self._logs = logs
        self._job = job
        self._query = query
        self._ends = [0]
        """The ends of the counted pieces; each is the start of a line."""
        self._sums = [0]
        """The matching lines up to each end."""
        self._open = False
        self._done = False
        self._place: tuple[int, int | None] = (-1, None)
        """A line and its rank among the matches; None when the box could not determine it."""

    @property
    def total(self) -> int:
        """The number of counted lines."""
        return self._sums[-1] + self._open

    @property
    def full(self) -> bool:
        """Whether a limit of counting is reached."""
        return self.total >= LINES or self._ends[-1] >= BYTES

    def covers(self, size: int) -> bool:
        """Return whether all lines of a log of this size are counted."""
        return self._done and size <= self.size

    def rank(self, at: int) -> int | None:
        """Return the rank, from 1, of the matching line at an offset; None while unknown."""
        return self._place[1] if self._place[0] == at else None

    def due(self, at: int | None) -> bool:
        """Return whether the box has to be asked, for more lines or for the rank of the line at an offset."""
        return not (self._done or self.full) or (at is not None and self._rankable(at))

    def _rankable(self, at: int) -> bool:
        known = at < self._ends[-1] or (self._done and self._open)
        return known and self._place[0] != at

    async def go_on(self, at: int | None) -> None:
        """Ask the box once: for the rank of the line at an offset if possible, else for more counts.

        Raises RemoteError and Dropped; the counts so far stay.
        """
        if at is not None and self._rankable(at):
            self._place = at, await self._ranked(at)
        elif not self.full:
            await self._count()

    async def _ranked(self, at: int) -> int | None:
        index = bisect_right(self._ends, at) - 1
        begin, before = self._ends[index], self._sums[index]
        if begin < at:
            counted = await self._logs.count(self._job, self._query, begin, at)
            if not counted.done:
                return None
            before += sum(lines for _, lines in counted.blocks)
        return before + 1

    async def _count(self) -> None:
        begin = self._ends[-1]
        counted = await self._logs.count(self._job, self._query, begin)
        self._open, self.size = counted.open, counted.size
        if 0 <= counted.size < begin:  # the log was truncated
            self._ends, self._sums, self._place, self._done = [0], [0], (-1, None), False
            return
        for end, lines in counted.blocks:
            if end > self._ends[-1] and lines >= 0:
                self._ends.append(end)
                self._sums.append(self._sums[-1] + lines)
        # A box that makes no progress would be asked forever.
        self._done = counted.done or self._ends[-1] == begin
