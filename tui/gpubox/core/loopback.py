"""Listens on this machine's loopback, the only address that anything of ours listens on."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from gpubox.core.errors import PortTaken

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

LOOPBACK = "127.0.0.1"
"""Here and on a box. For `localhost`, sshd binds whichever of 127.0.0.1 and ::1 it gets, and stays silent
about the other.
"""


def listen(port: int) -> socket.socket:
    """Return a socket that listens on `port` of loopback, or on a free one for 0; raises PortTaken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOOPBACK, port))
        made.listen(128)  # two programs may both bind a port that nobody listens on yet
    except OSError as error:
        made.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            hint = "Choose another port" if error.errno == errno.EADDRINUSE else "Take a port above 1023"
            raise PortTaken(f"Port {port} taken", f"{LOOPBACK}:{port}: {error.strerror}", hint) from error
        raise PortTaken("Cannot listen", f"{LOOPBACK}:{port}: {error.strerror}") from error
    return made


@asynccontextmanager
async def serving(server: asyncio.Server) -> AsyncGenerator[None]:
    """Let a server accept connections until the block is left; it was made with `start_serving=False`.

    One that starts by itself and is cancelled meanwhile would go on listening.
    """
    try:
        await server.start_serving()
        yield
    finally:
        server.close()


@asynccontextmanager
async def streaming(port: int, serve: Serve) -> AsyncGenerator[int]:
    """Serve each connection to `port` of loopback in a task of its own, and yield the port that listens.

    All connections are cut when the block is left. Raises PortTaken.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()  # streams report a cancelled connection as a fault
        finally:
            tasks.discard(task)
            await closed(writer)

    listener = listen(port)
    server = await asyncio.start_server(connected, sock=listener, start_serving=False)
    try:
        async with serving(server):
            yield int(listener.getsockname()[1])
    finally:
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a stream."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
