"""Runs programs of our own ssh server that were requested with a terminal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import asyncssh

from gpubox.core.pty import PtyProcess, run_in_pty

_PIECE = 65536
_TAKEN = ("LANG", "COLORTERM")
"""What a client may set besides LC_*, as AcceptEnv has it in Debian."""


async def run_behind(
    channel: asyncssh.SSHServerProcess[bytes],
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
) -> int | None:
    """Run a program with a terminal of its own; return its exit status, or None when the client left."""
    environment = {**environment, **_passed(channel.env), "TERM": channel.term_type or "dumb"}
    columns, rows = channel.term_size[:2]
    async with run_in_pty(command, environment, folder, columns, rows) as behind:
        typing = asyncio.ensure_future(_pump_keys(channel, behind))
        showing = asyncio.ensure_future(_pump_screen(channel, behind))
        closed = asyncio.ensure_future(channel.channel.wait_closed())
        try:
            await asyncio.wait({showing, closed}, return_when=asyncio.FIRST_COMPLETED)
            return None if closed.done() else await behind.wait()
        finally:
            for task in (typing, showing, closed):
                task.cancel()
            await asyncio.wait((typing, showing, closed))


async def _pump_keys(channel: asyncssh.SSHServerProcess[bytes], behind: PtyProcess) -> None:
    """Forward keys, and every change of the window's size."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while True:
            try:
                data = await channel.stdin.read(_PIECE)
            except asyncssh.TerminalSizeChanged as changed:
                behind.resize(changed.width, changed.height)
                continue
            except (asyncssh.SignalReceived, asyncssh.BreakReceived):
                continue  # ctrl+c comes as a key
            if not data:
                return
            await behind.write(data)


async def _pump_screen(channel: asyncssh.SSHServerProcess[bytes], behind: PtyProcess) -> None:
    """Forward what the program draws."""
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await behind.read():
            channel.stdout.write(data)
            await channel.stdout.drain()


def _passed(requested: Mapping[str, str]) -> dict[str, str]:
    """Return the accepted part of a client's environment: language and colors."""
    return {name: value for name, value in requested.items() if name in _TAKEN or name.startswith("LC_")}
