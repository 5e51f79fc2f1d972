"""Logs of a box that is not there: they grow and are searched as a test tells them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from gpubox.boxes.jobs.backend import Counted, Found, Page, Search
from gpubox.core.errors import GpuBoxError


class FakeStream:
    """A log as it grows."""

    def __init__(self, jobs: FakeLogs, job: str, offset: int) -> None:
        self._jobs = jobs
        self._job = job
        self.offset = offset

    async def read(self) -> bytes:
        log = self._jobs.log(self._job)
        while len(log.data) <= self.offset:
            if log.over:
                return b""
            log.news.clear()
            await log.news.wait()
        if self._jobs.error is not None:
            raise self._jobs.error
        piece = bytes(log.data[self.offset : self.offset + self._jobs.piece])
        self.offset += len(piece)
        await asyncio.sleep(0)
        return piece


class FakeLog:
    """The log of one job."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.over = False
        self.news = asyncio.Event()


class FakeLogs:
    """Stands in for what Jobs does with logs."""

    def __init__(self) -> None:
        self.error: GpuBoxError | None = None
        """What every question to the box fails with."""
        self.error_of_count: GpuBoxError | None = None
        self.piece = 32 * 1024
        """Bytes that a stream brings at once."""
        self.pages = 0
        """How many pages were asked for."""
        self.searches = 0
        """How often the box was asked to search."""
        self.counts = 0
        """How often it was asked to count."""
        self.may_count = asyncio.Event()
        """Cleared, the box does not come to count."""
        self.may_count.set()
        self.stride = 1 << 20
        """Bytes that one search or count looks through."""
        self.streams = 0
        """How many streams were opened."""
        self._logs: dict[str, FakeLog] = {}

    def log(self, job: str) -> FakeLog:
        return self._logs.setdefault(job, FakeLog())

    def write(self, job: str, data: bytes, *, over: bool = False) -> None:
        """Have a job write into its log."""
        log = self.log(job)
        log.data += data
        log.over = over
        log.news.set()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    @asynccontextmanager
    async def follow(self, job: str, offset: int, *, wait: bool = True) -> AsyncGenerator[FakeStream]:
        self.streams += 1
        size = len(self.log(job).data)
        yield FakeStream(self, job, max(0, size + offset) if offset < 0 else offset)

    async def page(self, job: str, offset: int, length: int) -> Page:
        self._fail()
        self.pages += 1
        data = self.log(job).data
        begin = max(0, len(data) + offset) if offset < 0 else min(offset, len(data))
        return Page(begin, bytes(data[begin : begin + length]), len(data))

    async def search(self, job: str, query: Search, offset: int) -> Found:
        self._fail()
        self.searches += 1
        data = bytes(self.log(job).data)
        if query.step > 0:
            end = data.find(b"\n", offset + self.stride) + 1 or len(data)
            begin = offset
        else:
            end = offset
            begin = data.rfind(b"\n", 0, max(0, offset - self.stride)) + 1
        text, words = _as_searched(data[begin:end], query)
        place = text.find(words) if query.step > 0 else text.rfind(words)
        at = begin + text.rfind(b"\n", 0, place) + 1 if place >= 0 else None
        return Found(at, end if query.step > 0 else begin, len(data))

    async def count(self, job: str, query: Search, offset: int, end: int | None = None) -> Counted:
        self._fail()
        self.counts += 1
        await self.may_count.wait()
        if self.error_of_count is not None:
            raise self.error_of_count
        data = bytes(self.log(job).data)
        limit = len(data) if end is None else end
        stop = min(limit, data.find(b"\n", offset + self.stride) + 1 or len(data))
        whole = data.rfind(b"\n", 0, stop) + 1 if stop == len(data) else stop
        text, words = _as_searched(data[offset:whole], query)
        lines = sum(words in line for line in text.split(b"\n"))
        rest, _ = _as_searched(data[whole:stop], query)
        blocks = ((whole, lines),) if whole > offset else ()
        return Counted(blocks, open=words in rest, done=stop >= limit, size=len(data))


def _as_searched(text: bytes, query: Search) -> tuple[bytes, bytes]:
    """A piece of a log and the words, made comparable."""
    text, words = re.sub(rb"\x1b\[[0-9;]*m", b"", text) if b"\x1b" in text else text, query.words.encode()
    return (text, words) if query.exact else (text.lower(), words.lower())
