"""A search in a log: what the window tells without the box, and how many lines have the words."""

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
"""Lines with the words after which no more are counted."""
BYTES = 8 << 30
"""Bytes of a log after which no more are counted; the box takes half a minute for them."""


class Logs(Protocol):
    """Who has logs: box.use(Jobs)."""

    def follow(self, job: str, offset: int) -> AbstractAsyncContextManager[LogStream]:
        """Follow the log from a byte on, through drops of the link; a negative offset counts from the end."""
        ...

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of the log; a negative offset counts from the end."""
        ...

    async def search(self, job: str, query: Search, offset: int) -> Found:
        """Search the log on the box for about a second, from where a line begins on."""
        ...

    async def count(self, job: str, query: Search, offset: int, end: int | None = None) -> Counted:
        """Count on the box for about a second what `search` would find, up to byte `end` or the log's."""
        ...


class Hit(NamedTuple):
    """What a search came to."""

    at: int | None
    """Where the line begins that has the words; None when no line of the log has them."""
    wrapped: bool
    """Whether it went on at the other end of the log."""


def look(lines: Sequence[Raw], query: Search, edge: int) -> tuple[int | None, int]:
    """Search lines of a window from the byte `edge` on, where one begins.

    Returns where the line begins that was found, or None and the byte from which the box is to search on. A
    line that is not in the window as it is in the log is left to the box.
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
    """Return the byte behind the line at a byte, with all pieces that it is kept in."""
    index = bisect_right(lines, offset, key=lambda line: line.offset) - 1
    if index < 0:
        return offset
    while index < len(lines) - 1 and _is_piece(lines[index]):
        index += 1
    return lines[index].end


def _is_piece(line: Raw) -> bool:
    """Tell whether the line goes on in the next one, because it is too long."""
    return line.size == len(line.data)


def _as_in_log(lines: Sequence[Raw], index: int) -> bool:
    """Tell whether a line is kept whole, not as the last piece of one or as what a bar showed last."""
    line = lines[index]
    begins = line.offset == 0 or (index > 0 and not _is_piece(lines[index - 1]))
    return begins and line.whole and line.size - len(line.data) in (1, 2)  # its end, maybe of Windows


class Count:
    """How many lines of a log a search would stop at, as far as the box has counted them."""

    def __init__(self, logs: Logs, job: str, query: Search) -> None:
        self.size = -1
        """Bytes of the log when it was counted last; -1 before the first time."""
        self._logs = logs
        self._job = job
        self._query = query
        self._ends = [0]
        """Where the pieces end that were counted; lines of the log begin there."""
        self._sums = [0]
        """How many lines were counted up to there."""
        self._open = False
        self._done = False
        self._place: tuple[int, int | None] = (-1, None)
        """A line, and which of those counted it is; None where the box could not tell."""

    @property
    def total(self) -> int:
        """How many lines are counted."""
        return self._sums[-1] + self._open

    @property
    def full(self) -> bool:
        """Whether so many are counted that the rest is not."""
        return self.total >= LINES or self._ends[-1] >= BYTES

    def covers(self, size: int) -> bool:
        """Tell whether all lines of a log of so many bytes are counted."""
        return self._done and size <= self.size

    def rank(self, at: int) -> int | None:
        """Return which of all those lines the one at a byte is, from 1 on; None while it is not known."""
        return self._place[1] if self._place[0] == at else None

    def due(self, at: int | None) -> bool:
        """Tell whether there is anything to ask the box, with the line at a byte to be ranked."""
        return not (self._done or self.full) or (at is not None and self._rankable(at))

    def _rankable(self, at: int) -> bool:
        known = at < self._ends[-1] or (self._done and self._open)
        return known and self._place[0] != at

    async def go_on(self, at: int | None) -> None:
        """Ask the box once: for the rank of the line at a byte if it can be told, else to count on.

        Raises RemoteError, and Dropped; what was counted is kept.
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
        if 0 <= counted.size < begin:  # somebody emptied the log
            self._ends, self._sums, self._place, self._done = [0], [0], (-1, None), False
            return
        for end, lines in counted.blocks:
            if end > self._ends[-1] and lines >= 0:
                self._ends.append(end)
                self._sums.append(self._sums[-1] + lines)
        # A box that does not get on would have it asked for ever.
        self._done = counted.done or self._ends[-1] == begin
