"""Carries bytes between a program on the box and a socket of this machine, for an ssh login over it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

from gpubox.agent.program_pipes import ProgramPipes
from gpubox.core.errors import GpuBoxError
from gpubox.core.tasks import uninterrupted

_PIECE = 65536


@asynccontextmanager
async def carried(running: ProgramPipes) -> AsyncGenerator[socket.socket]:
    """Yield a socket whose other end is the program's stdin and stdout; leaving the block closes both."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    tasks = [asyncio.ensure_future(_up(theirs, running)), asyncio.ensure_future(_down(running, theirs))]
    try:
        yield ours
    finally:
        await uninterrupted(_end(tasks, ours, theirs))


async def _end(tasks: Sequence[asyncio.Future[None]], *sockets: socket.socket) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in sockets:
        one.close()


async def _up(source: socket.socket, running: ProgramPipes) -> None:
    with suppress(GpuBoxError, OSError):
        while data := await asyncio.get_running_loop().sock_recv(source, _PIECE):
            await running.write(data)
        running.end()


async def _down(running: ProgramPipes, sink: socket.socket) -> None:
    with suppress(GpuBoxError, OSError):
        while data := await running.read():
            await asyncio.get_running_loop().sock_sendall(sink, data)
        sink.shutdown(socket.SHUT_WR)
