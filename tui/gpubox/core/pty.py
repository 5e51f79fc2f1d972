"""Runs programs of this machine behind a pseudo-terminal: local shells, and those of the demo box."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pty
import signal
import termios
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from gpubox.core.tasks import uninterrupted

_TAKE = 'tty=$1; shift; exec "$@" <"$tty" >"$tty" 2>&1'
"""Makes the terminal the controlling one: sh does it, because a fork of ours may not wait."""
_PIECE = 65536
_GRACE = 1.0
"""Seconds that a program gets to end after SIGHUP."""


class PtyProcess:
    """A program in a pseudo-terminal; see core.channels.Terminal. Use `run_in_pty`."""

    def __init__(self, process: Process, ours: int) -> None:
        self._process = process
        self._ours = ours
        self._ended = asyncio.ensure_future(process.wait())

    async def write(self, data: bytes) -> None:
        """Send keys; they are discarded once the program has ended."""
        loop = asyncio.get_running_loop()
        while data and not self._ended.done():
            try:
                data = data[os.write(self._ours, data) :]
            except BlockingIOError:
                await self._until(loop.add_writer, loop.remove_writer)
            except OSError:
                return

    async def read(self) -> bytes:
        """Return the program's output, or b"" once it has ended, even if others still hold the terminal."""
        loop = asyncio.get_running_loop()
        while True:
            ended = self._ended.done()  # checked before the read: by then its last output is there
            try:
                return os.read(self._ours, _PIECE)
            except BlockingIOError:
                if ended:
                    return b""
                await self._until(loop.add_reader, loop.remove_reader)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return b""  # nobody holds the other side any more

    async def _until(
        self, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], object]
    ) -> None:
        """Wait until the terminal is ready, or the program has ended."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def is_ready() -> None:
            if not ready.done():
                ready.set_result(None)

        add(self._ours, is_ready)
        try:
            await asyncio.wait({ready, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            remove(self._ours)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal a new size; the system tells the program."""
        with contextlib.suppress(OSError):
            termios.tcsetwinsize(self._ours, (rows, columns))

    async def wait(self) -> int:
        """Return the exit status when the program has ended; 128 + n when signal n ended it."""
        status = await asyncio.shield(self._ended)
        return status if status >= 0 else 128 - status

    async def close(self) -> None:
        """Hang up, as a closed window does, and kill what survives that."""
        os.close(self._ours)
        for number in (signal.SIGHUP, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await asyncio.shield(self._ended)
                    return


@asynccontextmanager
async def run_in_pty(
    command: Sequence[str], environment: Mapping[str, str], folder: str, columns: int, rows: int
) -> AsyncGenerator[PtyProcess]:
    """Run a program in a new terminal of a size; leaving the block hangs it up. Raises OSError."""
    ours, theirs = pty.openpty()
    try:
        termios.tcsetwinsize(theirs, (rows, columns))
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _TAKE, "sh", os.ttyname(theirs), *command,
            stdin=theirs, stdout=theirs, stderr=theirs,
            env=environment, cwd=folder, start_new_session=True,
        )  # fmt: skip
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    os.set_blocking(ours, False)
    behind = PtyProcess(process, ours)
    try:
        yield behind
    finally:
        await uninterrupted(behind.close())
