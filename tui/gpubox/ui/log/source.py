"""Reads a log for its view: the stream at its end, and pages before that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine

from textual.widget import Widget
from textual.worker import Worker

from gpubox.boxes.jobs.backend import Page, Search
from gpubox.core.errors import GpuBoxError
from gpubox.ui.error_boundary import guarded
from gpubox.ui.log.search import Count, Hit, Logs, look
from gpubox.ui.log.window import Window

TAIL = 192 * 1024
"""Bytes at the end that a view loads first."""
PAGE = 256 * 1024
"""Bytes per page when the user scrolls."""
BUDGET = 128 * 1024
"""Most bytes that wait to be drawn; faster output waits on the box, then is skipped."""
SLICE = 16 * 1024
"""Bytes that are added to the window at once: at most 2 ms, if all are line ends."""
MOMENT = 0.004
"""Seconds of a drawing after which the rest waits for the next one, so that keys are processed."""
BEHIND = 4 * 1024 * 1024
"""Most bytes that the view may lag before it skips to the end."""


class Log:
    """The loaded part of one job's log. `stream` runs as long as the view is at its end."""

    def __init__(self, logs: Logs, job: str) -> None:
        self.job = job
        self.window = Window()
        self.size = 0
        """Known size of the whole log, in bytes."""
        self.live = False
        """Whether new output is being read."""
        self.begun = False
        """Whether a read has succeeded, even of an empty log."""
        self.over = False
        """Whether the job has ended and its whole log was read."""
        self.trouble: GpuBoxError | None = None
        """Why the last read failed; None when it succeeded."""
        self.searched = 0
        """Bytes that the present search has covered."""
        self._logs = logs
        self._pending = bytearray()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def complete(self) -> bool:
        """Whether the window reaches the known end."""
        return self.window.end >= self.size

    async def stream(self, *, from_end: bool) -> None:
        """Read new output until the job has ended or this is cancelled; `from_end` starts near the end.

        Errors are stored in `trouble`.
        """
        self.live, self.trouble = True, None
        self._pending.clear()
        self._room.set()
        try:
            while await self._read(-TAIL if from_end else self.window.end):
                from_end = True
        except GpuBoxError as error:
            self.trouble = error
        finally:
            self.live = False

    async def _read(self, offset: int) -> bool:
        """Read from an offset; return whether to start over near the end, because the log grows too fast."""
        async with self._logs.follow(self.job, offset) as stream:
            if offset < 0:
                self._pending.clear()
                self.window.restart(stream.offset, within=stream.offset > 0)
            self.begun, self.over = True, False
            full: float | None = None
            while data := await stream.read():
                self._pending += data
                if len(self._pending) < BUDGET:
                    full = None
                    continue
                self._room.clear()
                await self._room.wait()
                full = full or time.monotonic()
                if time.monotonic() - full > 1.0:
                    full = time.monotonic()
                    self.size = (await self._logs.page(self.job, -1, 1)).size
                    if self.size - stream.offset > BEHIND:
                        return True
        self.over = True
        return False

    def flush(self, *, at_end: bool) -> bool:
        """Add received bytes to the window; return whether there were any. Call it until it returns False.

        With the view `at_end` the oldest lines are dropped; else those at the end are, to be fetched later.
        """
        if not self._pending:
            return False
        began, taken = time.monotonic(), 0
        while taken < len(self._pending) and time.monotonic() - began < MOMENT:
            self.window.add(bytes(self._pending[taken : taken + SLICE]))
            taken += SLICE
        del self._pending[:taken]
        if len(self._pending) < BUDGET:
            self._room.set()
        self.size = max(self.size, self.window.end)
        if at_end:
            self.window.drop_before()
        return True

    def leave_end(self) -> bool:
        """Drop lines at the end when there are too many; return whether any were dropped.

        New output would then not be adjacent: the caller has to stop the stream.
        """
        if not self.window.crowded or not self.window.drop_behind():
            return False
        self._pending.clear()
        return True

    async def earlier(self) -> None:
        """Fetch the lines before the window; drops lines at its end when there are too many."""
        start = self.window.start
        offset = max(0, start - PAGE)
        page = await self._page(offset, start - offset)
        if start == self.window.start and page.offset == offset:
            self.window.put_before(offset, page.data)

    async def later(self) -> None:
        """Fetch the lines after the window; drops lines at its front when there are too many."""
        end = self.window.end
        page = await self._page(end, PAGE)
        if end == self.window.end and page.offset == end:
            self.window.add(page.data)
            self.window.drop_before()

    async def around(self, offset: int) -> None:
        """Load the window around an offset."""
        begin = max(0, offset - PAGE // 2)
        page = await self._page(begin, PAGE)
        self._pending.clear()
        self.window.restart(page.offset, within=page.offset > 0)
        self.window.add(page.data)

    async def _page(self, offset: int, length: int) -> Page:
        page = await self._logs.page(self.job, offset, length)
        while page.data and len(page.data) < length and page.end < page.size:
            more = await self._logs.page(self.job, page.end, length - len(page.data))
            if not more.data:
                break
            page = Page(page.offset, page.data + more.data, more.size)
        self.size = max(self.size, page.size)
        return page

    async def find(self, query: Search, edge: int) -> Hit:
        """Return the next matching line from offset `edge`, which is the start of a line.

        The search wraps. The box searches what is not in the window.
        """
        self.searched = 0
        at, begin = look(self.window.lines, query, edge)
        if at is None:
            at = await self._ask(query, begin, None)
        if at is not None:
            return Hit(at, wrapped=False)
        return Hit(await self._ask(query, 0 if query.step > 0 else self.size, edge), wrapped=True)

    async def _ask(self, query: Search, edge: int, until: int | None) -> int | None:
        """Have the box search from an offset, at least to `until`, or to the end of the log."""
        while until is None or (until - edge) * query.step > 0:
            found = await self._logs.search(self.job, query, edge)
            self.searched += abs(found.next - edge)
            self.size = max(self.size, found.size)
            # A box that makes no progress would be asked forever.
            if found.at is not None or found.next == edge or found.next in (0, found.size):
                return found.at
            edge = found.next
        return None

    def counting(self, query: Search) -> Count:
        """Return a new count of matching lines."""
        return Count(self._logs, self.job, query)


class LogReader:
    """Reads a log in workers of its widget, one page at a time; calls `changed` after each."""

    def __init__(self, node: Widget, changed: Callable[[], None]) -> None:
        self._node = node
        self._changed = changed
        self._reading: Worker[bool] | None = None
        self._fetching: Worker[bool] | None = None

    def read(self, source: Log, *, from_end: bool) -> None:
        """Start to read new output of a log; see Log.stream."""
        self.stop()
        self._reading = self._node.run_worker(
            guarded(self._node, self._stream(source, from_end)), exit_on_error=False
        )

    async def _stream(self, source: Log, from_end: bool) -> None:
        await source.stream(from_end=from_end)
        self._changed()

    def stop(self) -> None:
        """Stop reading new output."""
        if self._reading is not None:
            self._reading.cancel()

    def forget(self) -> None:
        """Stop all reads."""
        self.stop()
        if self._fetching is not None:
            self._fetching.cancel()

    def fetch(self, source: Log, work: Coroutine[object, object, None]) -> None:
        """Fetch a page, unless one is being fetched; at the end of the log, reading resumes."""
        if self._fetching is not None and self._fetching.is_running:
            work.close()
            return
        self._fetching = self._node.run_worker(
            guarded(self._node, self._fetched(source, work)), exit_on_error=False
        )

    async def _fetched(self, source: Log, work: Coroutine[object, object, None]) -> None:
        await work
        if source.complete and not (source.live or source.over):
            self.read(source, from_end=False)
        self._changed()
