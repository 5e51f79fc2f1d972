"""Runs programs of the box with a terminal, or with three pipes, over the open link."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from asyncssh.constants import EXTENDED_DATA_STDERR

from gpubox.core.channels import TerminalSpec, exit_status
from gpubox.core.sanitize import as_bytes
from gpubox.ssh.channel import CommandSession, SshChannel
from gpubox.ssh.shell import SshShell

_WINDOW = 256 * 1024
"""The receive window: after Ctrl-C a flood ends once so many bytes have been drawn."""


class SshTerminal:
    """See core.channels.Terminal."""

    def __init__(self, channel: SshChannel) -> None:
        self._channel = channel

    async def write(self, data: bytes) -> None:
        """Send keys; raises Dropped when the link is gone, CommandEnded when the program has ended."""
        await self._channel.write(data)

    async def read(self) -> bytes:
        """Return what the program wrote, or b"" at its end; raises Dropped when the link is gone."""
        return await self._channel.read()

    def resize(self, columns: int, rows: int) -> None:
        """Tell the program its terminal's new size."""
        self._channel.resize(columns, rows)

    async def wait(self) -> int:
        """Return the exit status when the program has ended; 128 + n when signal n ended it."""
        return exit_status(await self._channel.wait())


@asynccontextmanager
async def terminal(shell: SshShell, command: str | None, spec: TerminalSpec) -> AsyncGenerator[SshTerminal]:
    """Start a program with a terminal; see core.channels.Channels.terminal."""
    session = shell.session(
        command,
        request_pty="force",
        term_type=spec.term,
        term_size=(spec.columns, spec.rows),
        env={as_bytes(name): as_bytes(value) for name, value in spec.environment.items()},
        window=_WINDOW,
    )
    async with session as channel:
        yield SshTerminal(channel)


class _Both(CommandSession):
    """Keeps stdout and stderr in the order of their arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: deque[tuple[bool, bytes]] = deque()
        self.waiting = 0

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Take output."""
        self.pieces.append((datatype == EXTENDED_DATA_STDERR, data))
        self.waiting += len(data)
        self.arrived(self.waiting)


class SshPipes:
    """See core.channels.Pipes."""

    def __init__(self, channel: SshChannel, session: _Both) -> None:
        self._channel = channel
        self._session = session

    async def write(self, data: bytes) -> None:
        """Send to stdin; raises Dropped when the link is gone, CommandEnded when the command has ended."""
        await self._channel.write(data)

    def end(self) -> None:
        """Close stdin."""
        self._channel.give(b"")

    async def read(self) -> tuple[bool, bytes]:
        """Return the next piece and whether it is of stderr; see core.channels.Pipes.read."""
        session = self._session
        while not session.pieces:
            if session.lines.take_all() is not None:  # the end: nothing else is sent to it
                return False, await self._channel.read()
            await session.more()
        error, piece = session.pieces.popleft()
        session.waiting -= len(piece)
        return error, piece

    async def wait(self) -> int:
        """Return the exit status when the command has ended; 128 + n when signal n ended it."""
        return exit_status(await self._channel.wait())


@asynccontextmanager
async def pipes(shell: SshShell, command: str | None) -> AsyncGenerator[SshPipes]:
    """Start a command with three pipes; see core.channels.Channels.pipes."""
    both = _Both()
    async with shell.session(command, lambda: both, request_pty=False) as channel:
        yield SshPipes(channel, both)
