"""Programs to forward to, and what is said through a forward."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from gpubox.core.shell import Shell
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.link import SshLink
from gpubox.ssh.shell import SshShell
from tests.ssh.fakes import Folder, settled
from tests.ssh.linked import over_link, served

Check = Callable[[SshChannels], Awaitable[None]]
BIG = 3_000_000
"""Bytes that fill every buffer on the way."""


async def with_channels(folder: Folder, check: Check, **environment: str) -> None:
    """Do a check with the channels of a link to a server that forwards what stays on this machine."""
    async with served(folder, **environment) as link:
        await over(link, check)


async def over(link: SshLink, check: Check) -> None:
    """Do a check with the channels of a link; what it raises, this raises."""

    async def with_shell(shell: Shell) -> None:
        assert isinstance(shell, SshShell)
        await check(SshChannels(shell))

    await over_link(link, with_shell)


@asynccontextmanager
async def program(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], path: Path | None = None
) -> AsyncGenerator[int]:
    """Run a program of the box that listens; yields its port, or 0 for a socket at `path`."""
    talking: set[asyncio.Task[None]] = set()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            with contextlib.suppress(OSError):
                await talk(reader, writer)
                writer.close()
                await writer.wait_closed()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            talking.discard(task)

    if path is None:
        server = await asyncio.start_server(once, "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
    else:
        server, port = await asyncio.start_unix_server(once, path), 0
    try:
        yield port
    finally:
        server.close()
        for task in tuple(talking):
            task.cancel()
        await server.wait_closed()
        await settled(lambda: not talking)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything, then say how much it was: needs a half-closed connection."""
    size = 0
    while data := await reader.read(65536):
        size += len(data)
    writer.write(b"%d" % size)


async def asked(port: int, words: bytes) -> bytes:
    """Say something to a port of this machine and return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def listeners(port: int) -> list[str]:
    """The addresses on which somebody listens on a port, as the kernel writes them."""
    lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return [line.split()[1] for line in lines.splitlines() if f":{port:04X} 00" in line]


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])
