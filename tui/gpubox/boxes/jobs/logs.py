"""A log that is followed through drops of the link: each byte once, in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from gpubox.boxes.jobs.backend import Backend, LogStream, Page
from gpubox.core.doors import Doors
from gpubox.core.errors import Dropped
from gpubox.core.feed import Feed
from gpubox.core.record import ACTIVE

PIECE = 256 * 1024
"""Bytes fetched at once where a stream would take the last of the box's sessions."""
_SOON, _LATER = 0.1, 1.0
"""Seconds between two looks for more there."""


class Resumed:
    """A log stream that goes on at the byte where the last link dropped; see backend.LogStream."""

    def __init__(self, backend: Backend, doors: Feed[Doors | None], job: str, offset: int) -> None:
        self.offset = offset
        """Where the next piece begins in the file; negative until the first stream is there."""
        self._backend = backend
        self._doors = doors
        self._job = job
        self._stack = AsyncExitStack()
        self._stream: LogStream | None = None
        self._over: Doors | None = None

    async def begin(self) -> None:
        """Open the first stream; raises Dropped when there is no link, RemoteError when there is no log."""
        self._over = self._doors.value
        self._stream = await self._stack.enter_async_context(self._backend.follow(self._job, self.offset))
        self.offset = self._stream.offset

    async def read(self) -> bytes:
        """Return what came next, or b"" when the job has ended and all was read; waits out drops."""
        while True:
            try:
                if self._stream is None:
                    await self._link()
                    await self.begin()
                assert self._stream is not None
                piece = await self._stream.read()
            except Dropped:
                await self._leave()
                continue
            self.offset += len(piece)
            return piece

    async def close(self) -> None:
        """Let go of the stream."""
        await self._leave()

    async def _leave(self) -> None:
        self._stream = None
        stack, self._stack = self._stack, AsyncExitStack()
        try:
            await stack.aclose()
        except Dropped:
            return  # it is gone, as was wanted

    async def _link(self) -> None:
        """Wait for a link; where only the reader on the box ended, the same one is good after a moment."""
        async for doors in self._doors.follow():
            if doors is None:
                continue
            if doors is self._over:
                await asyncio.sleep(_LATER)
                if self._doors.value is not doors:
                    continue
            return


class Paged:
    """A log read piece by piece, for boxes whose sshd has no session to spare; see backend.LogStream."""

    def __init__(self, backend: Backend, doors: Feed[Doors | None], job: str, offset: int) -> None:
        self.offset = offset
        """Where the next piece begins in the file; negative until the first piece is there."""
        self._backend = backend
        self._doors = doors
        self._job = job
        self._first: Page | None = None

    async def begin(self) -> None:
        """Fetch the first piece; raises as Backend.page."""
        self._first = await self._backend.page(self._job, self.offset, PIECE)
        self.offset = self._first.offset

    async def read(self) -> bytes:
        """Return what came next, or b"" when the job has ended and all was read; waits out drops."""
        pause = _SOON
        while True:
            try:
                page, ended = await self._next()
            except Dropped:
                async for doors in self._doors.follow():
                    if doors is not None:
                        break
                continue
            if page.data or ended:
                self.offset = page.end
                return page.data
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LATER)

    async def _next(self) -> tuple[Page, bool]:
        if self._first is not None and self._first.data:
            page, self._first = self._first, None
            return page, False
        self._first = None
        page = await self._backend.page(self._job, self.offset, PIECE)
        if page.data:
            return page, False
        if (await self._backend.show(self._job)).state in ACTIVE:
            return page, False
        # What it wrote last may have come between the two questions.
        return await self._backend.page(self._job, self.offset, PIECE), True


@asynccontextmanager
async def follow(
    backend: Backend, doors: Feed[Doors | None], job: str, offset: int, *, paged: bool = False
) -> AsyncGenerator[LogStream]:
    """Follow a log from a byte on, through drops; a negative offset counts from the end.

    `paged` asks for piece after piece instead of holding a session of the box. Raises RemoteError when there
    is no such log or no link to begin with.
    """
    stream = (Paged if paged else Resumed)(backend, doors, job, offset)
    await stream.begin()
    try:
        yield stream
    finally:
        if isinstance(stream, Resumed):
            await stream.close()
