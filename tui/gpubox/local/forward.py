"""Forwards a local port to a socket or port of this machine, for viewers that cannot open sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from gpubox.core.channels import Direction, Forward, Traffic
from gpubox.core.errors import RemoteError
from gpubox.core.loopback import listen, serving
from gpubox.core.sanitize import clean

_PIECE = 65536


class LocalForward:
    """A forward from this machine to itself; see core.channels.Listening."""

    def __init__(self, spec: Forward) -> None:
        self.port = spec.port
        """The port that listens."""
        self.traffic = Traffic()
        """Live counts; zero for a program that is reached at its own port."""
        self._spec = spec
        self._jobs: set[asyncio.Task[None]] = set()

    async def near(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._jobs.add(task)
        self.traffic.open += 1
        self.traffic.total += 1
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()  # streams report a cancelled connection as a fault
        finally:
            self.traffic.open -= 1
            self._jobs.discard(task)
            await _closed(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spec = self._spec
        try:
            if spec.path:
                source, target = await asyncio.open_unix_connection(spec.path)
            else:
                source, target = await asyncio.open_connection(spec.host, spec.port)
        except OSError as error:
            self.traffic.refused += 1
            self.traffic.refusal = clean(error.strerror or str(error), 200)
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, target, sent=True))
                group.create_task(self._pump(source, writer, sent=False))
        finally:
            await _closed(target)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, sent: bool) -> None:
        with suppress(OSError):
            while data := await source.read(_PIECE):
                if sent:
                    self.traffic.sent += len(data)
                else:
                    self.traffic.received += len(data)
                target.write(data)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()

    async def close(self) -> None:
        """Cut every connection."""
        for job in tuple(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def forward(spec: Forward) -> AsyncGenerator[LocalForward]:
    """Open a forward; see core.channels.Channels.forward. A port of this machine is used directly."""
    made = LocalForward(spec)
    if spec.way is Direction.SOCKS:
        raise RemoteError("No SOCKS here", "This is the machine itself", "Connect without a proxy")
    if not spec.path and spec.listen_port in (0, spec.port):
        yield made
        return
    listener = listen(spec.listen_port)
    made.port = int(listener.getsockname()[1])
    server = await asyncio.start_server(made.near, sock=listener, start_serving=False)
    try:
        async with serving(server):
            yield made
    finally:
        await made.close()
