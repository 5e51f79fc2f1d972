"""The pipes of the transfer program, as blocking files for a thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from gpubox.agent.program_pipes import ProgramPipes
from gpubox.core.errors import GpuBoxError

_FULL = 4 << 20
"""Bytes from the box that are buffered for writing."""


class ThreadPipes:
    """The pipes of the program on the box, as blocking files for a thread."""

    def __init__(self, pipes: ProgramPipes, loop: asyncio.AbstractEventLoop) -> None:
        self._pipes = pipes
        self._loop = loop
        self._pieces: list[bytes] = []
        self._full = 0
        self._ended = False
        self._why: BaseException | None = None
        self._shut = False
        self._news = threading.Condition()
        self._room = asyncio.Event()
        self._writing: Future[None] | None = None
        self._pumping = asyncio.ensure_future(self._pump())

    async def _pump(self) -> None:
        """Receive in the event loop's thread: the other thread gets many packets at once."""
        try:
            while True:
                piece = await self._pipes.read()
                if not piece:
                    break
                with self._news:
                    self._pieces.append(piece)
                    self._full += len(piece)
                    self._news.notify()
                    full = self._full > _FULL
                    if full:
                        self._room.clear()
                if full:
                    await self._room.wait()
        except GpuBoxError as error:
            self._why = error
        finally:
            with self._news:
                self._ended = True
                self._news.notify()

    def pull(self) -> bytes:
        """Return everything received, or b"" at the end; raises Dropped when the link dropped."""
        with self._news:
            while not self._pieces and not self._ended and not self._shut:
                self._news.wait()
            if self._shut:
                return b""
            data, self._pieces, self._full = b"".join(self._pieces), [], 0
        if data:
            self._loop.call_soon_threadsafe(self._room.set)
        elif self._why is not None:
            raise self._why
        return data

    def transmit(self, data: bytes) -> None:
        """Send bytes now; raises Dropped when the link dropped."""
        self._writing = asyncio.run_coroutine_threadsafe(self._pipes.write(data), self._loop)
        if self._shut:
            self._writing.cancel()
        self._writing.result()

    def waiting(self) -> bool:
        """Return whether a read returns at once."""
        return bool(self._pieces) or self._ended

    def closed(self) -> bool:
        """Return whether the transfer was abandoned."""
        return self._shut

    async def close(self) -> None:
        """Make the thread end."""
        with self._news:
            self._shut = True
            self._news.notify()
        if self._writing is not None:
            self._writing.cancel()
        self._pumping.cancel()
        await asyncio.gather(self._pumping, return_exceptions=True)
