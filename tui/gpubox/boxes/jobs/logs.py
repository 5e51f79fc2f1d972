"""Follows a log through drops of the link: each byte once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Protocol

from gpubox.boxes.jobs.backend import Backend, LogStream, Page
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.record import ACTIVE
from gpubox.core.retry import another
from gpubox.core.sanitize import clean_lines

PIECE = 256 * 1024
"""Bytes per page where a stream would use the box's last session."""
_SOON, _LATER = 0.1, 1.0
"""First and later seconds between two such pages."""
_TRIES = 5
"""Attempts to reopen a log over a new link: the box may be busy."""

_END = 4096
"""Bytes at the end of a log that are searched for its last lines."""


class Paged(Protocol):
    """A source of pieces of logs."""

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of a log; a negative offset counts from the end."""
        ...


async def last_lines(jobs: Paged, job: str, count: int) -> list[str]:
    """Return the last non-blank lines of a job's log, safe to draw; empty when it cannot be read."""
    with suppress(RemoteError, Dropped):
        return clean_lines((await jobs.page(job, -_END, _END)).data, 200)[-count:]
    return []


class ResumableStream:
    """A log stream that resumes at the byte where the last link dropped; see backend.LogStream."""

    def __init__(
        self, backend: Backend, channels: Feed[Channels | None], job: str, offset: int, *, wait: bool
    ) -> None:
        self.offset = offset
        """The offset of the next piece; negative until the first stream is open."""
        self._wait = wait
        self._backend = backend
        self._channels = channels
        self._job = job
        self._stack = AsyncExitStack()
        self._stream: LogStream | None = None
        self._over: Channels | None = None

    async def begin(self) -> None:
        """Open the first stream; raises Dropped when there is no link, RemoteError when there is no log."""
        await self._open()

    async def _open(self) -> LogStream:
        self._over = self._channels.value
        stream = await self._stack.enter_async_context(
            self._backend.follow(self._job, self.offset, wait=self._wait)
        )
        self.offset, self._stream = stream.offset, stream
        return stream

    async def read(self) -> bytes:
        """Return the next piece, or b"" once the job has ended and all was read; waits out drops."""
        tries = 0
        while True:
            try:
                if self._stream is None:
                    await another(self._channels, self._over)
                piece = await (self._stream or await self._open()).read()
            except Dropped:
                await self.close()
            except RemoteError:
                await self.close()
                tries += 1
                if tries == _TRIES:
                    raise
            else:
                self.offset += len(piece)
                return piece

    async def close(self) -> None:
        """Close the stream."""
        self._stream = None
        stack, self._stack = self._stack, AsyncExitStack()
        with suppress(Dropped):  # ended, as intended
            await stack.aclose()


class PagedStream:
    """A log that is read in pages, for boxes without a spare session; see backend.LogStream."""

    def __init__(
        self, backend: Backend, channels: Feed[Channels | None], job: str, offset: int, *, wait: bool
    ) -> None:
        self.offset = offset
        """The offset of the next piece; negative until the first page was read."""
        self._wait = wait
        self._backend = backend
        self._channels = channels
        self._job = job
        self._first: Page | None = None

    async def begin(self) -> None:
        """Fetch the first piece; raises as Backend.page."""
        self._first = await self._backend.page(self._job, self.offset, PIECE)
        self.offset = self._first.offset

    async def read(self) -> bytes:
        """Return the next piece, or b"" once the job has ended and all was read; waits out drops."""
        pause, tries = _SOON, 0
        while True:
            over = self._channels.value
            try:
                page, ended = await self._next()
            except Dropped:
                await another(self._channels, over)
                continue
            except RemoteError:
                tries += 1
                if tries == _TRIES:
                    raise
                await asyncio.sleep(_LATER)
                continue
            if page.data or ended:
                self.offset = page.end
                return page.data
            tries = 0
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LATER)

    async def _next(self) -> tuple[Page, bool]:
        if self._first is not None and self._first.data:
            page, self._first = self._first, None
            return page, False
        self._first = None
        page = await self._backend.page(self._job, self.offset, PIECE)
        if page.data or not self._wait:
            return page, not page.data
        if (await self._backend.show(self._job)).state in ACTIVE:
            return page, False
        # It may have written more between the two requests.
        return await self._backend.page(self._job, self.offset, PIECE), True

    async def close(self) -> None:
        """Do nothing: no session is open."""


@asynccontextmanager
async def follow(
    backend: Backend,
    channels: Feed[Channels | None],
    job: str,
    offset: int,
    *,
    wait: bool = True,
    paged: bool = False,
) -> AsyncGenerator[LogStream]:
    """Follow a log from an offset, through drops; negative offsets count from the end.

    It ends with the job, or without `wait` at the present end of the log. `paged` fetches pieces instead of
    using a session of the box. Raises RemoteError when there is no such log, Dropped when there is no link
    at first.
    """
    stream = (PagedStream if paged else ResumableStream)(backend, channels, job, offset, wait=wait)
    await stream.begin()
    try:
        yield stream
    finally:
        await stream.close()
