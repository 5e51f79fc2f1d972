"""Forwards a local port to a socket or port of this machine, for viewers that cannot open sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from gpubox.core.channels import Direction, Forward, Traffic
from gpubox.core.errors import RemoteError
from gpubox.core.loopback import closed, streaming
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

    async def near(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        self.traffic.open += 1
        self.traffic.total += 1
        try:
            await self._carry(reader, writer)
        finally:
            self.traffic.open -= 1

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
            await closed(target)

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


@asynccontextmanager
async def forward(spec: Forward) -> AsyncGenerator[LocalForward]:
    """Open a forward; see core.channels.Channels.forward. A port of this machine is used directly."""
    made = LocalForward(spec)
    if spec.way is Direction.SOCKS:
        raise RemoteError("No SOCKS here", "This is the machine itself", "Connect without a proxy")
    if not spec.path and spec.listen_port in (0, spec.port):
        yield made
        return
    async with streaming(spec.listen_port, made.near) as made.port:
        yield made
