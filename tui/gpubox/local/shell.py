"""Runs commands on this machine, by the same protocol as on a box."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from gpubox.common.units import duration
from gpubox.core.errors import CommandEnded, RemoteError
from gpubox.core.line_buffer import LineBuffer
from gpubox.core.shell import Channel, CommandResult
from gpubox.core.tasks import in_time, uninterrupted

_SHELL = "/bin/sh"
_CHUNK = 64 * 1024
_STDERR_TAIL = 4096
_GRACE = 2.0
"""Seconds that a command has to end after its stdin is closed, and again after SIGTERM."""


def _result(status: int, stdout: bytes, stderr: bytes) -> CommandResult:
    if status >= 0:
        return CommandResult(status, None, stdout, stderr)
    try:
        name = signal.Signals(-status).name.removeprefix("SIG")
    except ValueError:  # real-time signals have no name
        name = str(-status)
    return CommandResult(None, name, stdout, stderr)


async def _start(command: str) -> Process:
    try:
        # Its own process group, so that a command's children end with it and ctrl+c in our terminal does not.
        return await asyncio.create_subprocess_exec(
            _SHELL, "-c", command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, cwd=home()
        )
    except OSError as error:
        raise RemoteError("No shell", f"{_SHELL} cannot be started: {error.strerror}") from error


def home() -> str:
    """Return the folder that commands start in."""
    home = os.path.expanduser("~")
    return home if os.path.isdir(home) else "/"


async def end_process(process: Process, *, gently: bool) -> None:
    """End a command and its children; with `gently`, closing its stdin may suffice."""
    await uninterrupted(_end_process(process, gently=gently))


async def _end_process(process: Process, *, gently: bool) -> None:
    if process.stdin is not None:
        process.stdin.close()
    for number in (None, signal.SIGTERM, signal.SIGKILL) if gently else (signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
        if await in_time(process.wait(), _GRACE):
            return


class LocalShell:
    """A shell of this machine."""

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        """Run a command line by sh; raises RemoteError when `timeout` seconds pass."""
        process = await _start(command)
        try:
            async with asyncio.timeout(timeout):
                stdout, stderr = await process.communicate(stdin)
        except TimeoutError as error:
            raise RemoteError("No answer", f"The command ran for more than {duration(timeout)}") from error
        finally:
            if process.returncode is None:
                await end_process(process, gently=False)
        return _result(process.returncode or 0, stdout, stderr)

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncGenerator[Channel]:
        """Start a command and hold its channel open; leaving the block ends it."""
        process = await _start(command)
        channel = LocalChannel(process)
        listening = asyncio.create_task(channel.listen())
        try:
            yield channel
        finally:
            await end_process(process, gently=True)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


class LocalChannel:
    """One running command of this machine."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._lines = LineBuffer()
        self._stderr = process.stderr
        self._words = b""

    async def listen(self) -> None:
        """Drain stderr: unread, it blocks the command after 64 KiB."""
        while chunk := await self._stderr.read(_CHUNK):
            self._words = (self._words + chunk)[-_STDERR_TAIL:]

    async def write(self, data: bytes) -> None:
        """Send to the command's stdin; raises CommandEnded when it no longer reads."""
        try:
            self._stdin.write(data)
            await self._stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise CommandEnded.closed(self._process.returncode) from error

    async def read_line(self, limit: int) -> bytes:
        """Return the next line with its newline, or b"" at the end; a longer one comes cut to `limit`."""
        while (line := self._lines.take(limit)) is None:
            if chunk := await self._stdout.read(_CHUNK):
                self._lines.feed(chunk)
            else:
                self._lines.end()
        return line

    async def read_stderr(self) -> bytes:
        """Return the last 4 KiB of what the command wrote to stderr so far; never waits."""
        return self._words

    async def wait(self) -> CommandResult:
        """Wait for the command's end."""
        return _result(await self._process.wait(), b"", b"")
