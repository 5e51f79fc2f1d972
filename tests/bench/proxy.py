"""A stretch of network between laptop and box: it delays, counts and can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

_CHUNK = 65536


class Network:
    """Forwards TCP connections to one port of this machine. Use `network`."""

    def __init__(self, target: int, delay: float) -> None:
        self.target = target
        self.delay = delay
        """Seconds that each byte travels, one way."""
        self.port = 0
        self.down = 0
        """Bytes of payload from the box."""
        self.up = 0
        """Bytes of payload to the box."""
        self.connections = 0
        """Connections made so far."""
        self._open: set[asyncio.WriteTransport] = set()
        self._there = asyncio.Event()
        self._there.set()
        self._refusing = False
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Reset every connection and refuse new ones until `mend`."""
        self._refusing = True
        for transport in self._open:
            transport.abort()

    def hold(self) -> None:
        """Swallow everything in silence, as a Wi-Fi out of reach does, until `mend`."""
        self._there.clear()

    def repair(self) -> None:
        """Be a network again."""
        self._refusing = False
        self._there.set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side closes it."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every connection."""
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        await self._there.wait()
        self.connections += 1
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            ends: set[asyncio.WriteTransport] = {writer.transport, far_writer.transport}
            self._open |= ends
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._pump(far_reader, writer, down=True))
                    tasks.create_task(self._pump(reader, far_writer, down=False))
            except* OSError:
                pass
            finally:
                self._open -= ends
                for end in ends:
                    end.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, down: bool) -> None:
        """Carry bytes one way, each `delay` seconds late, however many are on the way."""
        loop = asyncio.get_running_loop()
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def arrive() -> None:
            while True:
                due, data = await way.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._there.wait()
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async def leave() -> None:
            while data := await reader.read(_CHUNK):
                if down:
                    self.down += len(data)
                else:
                    self.up += len(data)
                way.put_nowait((loop.time() + self.delay, data))
            way.put_nowait((loop.time() + self.delay, b""))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(arrive())
            tasks.create_task(leave())


@asynccontextmanager
async def network(target: int, *, round_trip: float = 0.0) -> AsyncGenerator[Network]:
    """Put a network before a port; `round_trip` is its delay there and back, in seconds."""
    middle = Network(target, round_trip / 2)
    server = await asyncio.start_server(middle.serve, "127.0.0.1", 0)
    middle.port = server.sockets[0].getsockname()[1]
    try:
        yield middle
    finally:
        server.close()
        await middle.close()
        await server.wait_closed()
