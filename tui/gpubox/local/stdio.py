"""Connects the three pipes of this process to those of a command on a box."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress

from gpubox.core.channels import Pipes
from gpubox.core.errors import Dropped, RemoteError

_PIECE = 65536
_AHEAD = 4
"""Pieces of stdin that are read ahead of the box."""


async def carry(pipes: Pipes) -> int:
    """Pass stdin, stdout and stderr on until the command ends; return its exit status.

    Raises Dropped when the link drops, and BrokenPipeError when the reader of stdout has gone.
    """
    feeding = asyncio.ensure_future(_feed(pipes))
    try:
        while True:
            is_error, data = await pipes.read()
            if not data:
                return await pipes.wait()
            # A slow reader must not block the event loop: the link would be taken for dead.
            await asyncio.to_thread(_write, 2 if is_error else 1, data)
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


def _write(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


async def _feed(pipes: Pipes) -> None:
    """Pass stdin on to its end."""
    pieces: asyncio.Queue[bytes] = asyncio.Queue(_AHEAD)
    loop = asyncio.get_running_loop()
    # A daemon thread: it may wait for keys forever, and stdin may be a file, which no event loop can watch.
    threading.Thread(target=_read, args=(pieces, loop), name="stdin", daemon=True).start()
    with suppress(RemoteError, Dropped):  # the command has ended and needs no more input
        while data := await pieces.get():
            await pipes.write(data)
        pipes.end()


def _read(pieces: asyncio.Queue[bytes], loop: asyncio.AbstractEventLoop) -> None:
    data = b"more"
    while data:
        try:
            data = os.read(0, _PIECE)
        except OSError:  # closed before the start
            data = b""
        putting = pieces.put(data)
        try:
            asyncio.run_coroutine_threadsafe(putting, loop).result()
        except (RuntimeError, asyncio.CancelledError):  # the program has ended
            putting.close()
            return
