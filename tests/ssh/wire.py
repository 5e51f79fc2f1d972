"""A piece of network between a link and a server, with the faults that networks have."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.hang import LIMIT


class Wire:
    """Passes bytes on; may stop passing them, cut connections, or chop them into single bytes."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.accepted = 0
        """Connections so far."""
        self.passed = 0
        """Bytes so far, both ways."""
        self.grain = 65536
        """Bytes passed on at a time."""
        self.says: bytes | None = None
        """What new connections receive before they are cut at once; None lets them through."""
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._passing: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def open(self) -> int:
        """Connections now."""
        return len(self._passing)

    def freeze(self) -> None:
        """Pass nothing on, without a word."""
        self._open.clear()

    def thaw(self) -> None:
        """Pass on again, what came meanwhile too."""
        self._open.set()

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        self.accepted += 1
        self._writers.add(writer)
        try:
            if self.says is not None:
                writer.write(self.says)
                await writer.drain()
                raise ConnectionResetError
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(reader, back)),
                    asyncio.ensure_future(self._pass(there, writer)),
                ]
            )
        except asyncio.CancelledError:
            pass  # the block is over
        except OSError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            self._passing.discard(task)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(self.grain):
                await self._open.wait()
                self.passed += len(data)
                target.write(data)
                await target.drain()
        target.transport.abort()

    async def close(self) -> None:
        self.thaw()
        self.cut()
        if self._passing:
            await asyncio.wait(self._passing, timeout=LIMIT)


@asynccontextmanager
async def wire(target: int) -> AsyncGenerator[Wire]:
    """Lay a wire to a port of this machine."""
    made = Wire(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.close()
        await server.wait_closed()


@asynccontextmanager
async def peer(says: bytes, *, hang_up: bool = False) -> AsyncGenerator[int]:
    """Listen, say some bytes to any client, and then say nothing or hang up; yields the port."""
    talking: set[asyncio.StreamWriter] = set()

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(writer)
        writer.write(says)
        if hang_up:
            with contextlib.suppress(OSError):
                await writer.drain()
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in talking:
            writer.transport.abort()
        await server.wait_closed()
