"""Connects through a ProxyCommand."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket

from gpubox.core.tasks import in_time, uninterrupted

_STDERR_TAIL = 300
"""Bytes of the command's stderr that are remembered."""

_GRACE = 0.5
"""Seconds that it gets to end after its stdin was closed."""


class Proxy:
    """A running ProxyCommand; asyncssh's own takes its stderr for ssh data."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.said = b""
        """The end of what it wrote to stderr."""
        self._process = process
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(4096):
            self.said = (self.said + data)[-_STDERR_TAIL:]

    async def complaint(self) -> bytes:
        """Return its last words, after a short wait for them."""
        await asyncio.wait([self._listening], timeout=_GRACE)
        return self.said

    async def close(self) -> None:
        """End it and all that it started."""
        await uninterrupted(self._end())

    async def _end(self) -> None:
        await in_time(self._process.wait(), _GRACE)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._listening.cancel()
        await asyncio.wait([self._listening])
        await self._process.wait()


async def start(command: str) -> tuple[Proxy, socket.socket]:
    """Start a command by the shell, as OpenSSH does; the socket is its stdin and stdout."""
    ours, theirs = socket.socketpair()
    try:
        ours.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            f"exec {command}",
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return Proxy(process), ours
