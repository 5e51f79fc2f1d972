"""Channels of this machine: terminals, pipes and forwards that need no link."""

from __future__ import annotations

import asyncio
import os
import pwd
import shlex
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

from gpubox.core.channels import Display, Forward, Listening, Pipes, Terminal, TerminalSpec
from gpubox.core.errors import CommandEnded, RemoteError
from gpubox.core.pty import run_in_pty
from gpubox.core.shell import Channel
from gpubox.local.forward import forward
from gpubox.local.shell import LocalShell, end_process, home

_PIECE = 65536
_AHEAD = 16
"""Most pieces of output that are buffered for a reader."""


class LocalChannels:
    """See core.channels.Channels."""

    def __init__(self, shell: LocalShell) -> None:
        self._shell = shell

    def forward(self, spec: Forward) -> AbstractAsyncContextManager[Listening]:
        """Forward a port to another port or a socket of this machine."""
        return forward(spec)

    @asynccontextmanager
    async def terminal(self, command: str | None, spec: TerminalSpec) -> AsyncGenerator[Terminal]:
        """Start a program behind a terminal; see core.channels.Channels.terminal."""
        words = [login_shell(), "-l"] if command is None else [login_shell(), "-c", command]
        environment = {**os.environ, **spec.environment, "TERM": spec.term}
        for name in ("LINES", "COLUMNS"):  # they describe our terminal, not its own
            environment.pop(name, None)
        try:
            async with run_in_pty(words, environment, home(), spec.columns, spec.rows) as behind:
                yield behind
        except OSError as error:
            raise RemoteError("No terminal", f"This machine gives none: {error.strerror}") from error

    @asynccontextmanager
    async def pipes(self, command: str | None) -> AsyncGenerator[Pipes]:
        """Start a command with three pipes; see core.channels.Channels.pipes."""
        words = [login_shell()] if command is None else [login_shell(), "-c", command]
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=_PIECE, loop=loop),
                *words,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                start_new_session=True,
                cwd=home(),
            )
        except OSError as error:
            raise RemoteError("No shell", f"{words[0]} cannot be started: {error.strerror}") from error
        made = LocalPipes(Process(transport, protocol, loop))
        try:
            yield made
        finally:
            try:
                await made.close()
            finally:
                transport.close()  # unread output would keep its pipes open

    def graphical(self, command: str, display: Display) -> AbstractAsyncContextManager[Channel]:
        """Start a program on a display of this machine."""
        words = [f"DISPLAY={shlex.quote(display.name)}"]
        if display.authority:
            words.append(f"XAUTHORITY={shlex.quote(display.authority)}")
        return self._shell.stream(f"export {' '.join(words)}; {command}")


class LocalPipes:
    """See core.channels.Pipes."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin = process.stdin
        self._pieces: asyncio.Queue[tuple[bool, bytes] | None] = asyncio.Queue(_AHEAD)
        self._open = 2
        self._pumps = [
            asyncio.ensure_future(self._pump(stream, error=error))
            for stream, error in ((process.stdout, False), (process.stderr, True))
        ]

    async def _pump(self, stream: asyncio.StreamReader, *, error: bool) -> None:
        while piece := await stream.read(_PIECE):
            await self._pieces.put((error, piece))
        await self._pieces.put(None)

    async def write(self, data: bytes) -> None:
        """Send to stdin; raises CommandEnded when the command no longer reads."""
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except ConnectionError as error:
            raise CommandEnded.closed(self._process.returncode) from error

    def end(self) -> None:
        """Close stdin."""
        self._stdin.close()

    async def read(self) -> tuple[bool, bytes]:
        """Return the next piece and whether it is of stderr; see core.channels.Pipes.read."""
        while self._open:
            piece = await self._pieces.get()
            if piece is not None:
                return piece
            self._open -= 1
        return False, b""

    async def wait(self) -> int:
        """Return the exit status when the command has ended; 128 + n when signal n ended it."""
        status = await self._process.wait()
        return status if status >= 0 else 128 - status

    async def close(self) -> None:
        """End the command if it still runs."""
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await end_process(self._process, gently=True)
        with suppress(ConnectionError):
            await self._stdin.wait_closed()


def login_shell() -> str:
    """Return the user's shell on this machine."""
    try:
        shell = pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:  # a container may run as a number without a name
        shell = ""
    return shell if os.access(shell or "/", os.X_OK) and shell else "/bin/sh"
