"""Finds the X server of this machine, as its own programs do: its address, its cookie, its greeting."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

from gpubox.common import x11
from gpubox.common.x11 import DisplayAddress
from gpubox.core.channels import Display
from gpubox.core.errors import GpuBoxError, RemoteError, ToolMissing
from gpubox.core.sanitize import clean, clean_bytes

_LIMIT = 3.0
"""Seconds that a display gets to answer."""


def address(name: str) -> DisplayAddress:
    """Parse a DISPLAY; raises GpuBoxError when it is invalid."""
    where = x11.address(name)
    if where is None:
        raise GpuBoxError(
            "Not a display", f"DISPLAY is {clean(name, 60)!r} here", "It looks like :0 or host:0"
        )
    return where


def authority(display: Display) -> Path:
    """Return the file with the cookies of a display."""
    return Path(display.authority or os.environ.get("XAUTHORITY") or "~/.Xauthority").expanduser()


async def check(display: Display) -> None:
    """Check that a display accepts windows; raises ToolMissing or RemoteError."""
    where = address(display.name)
    file = authority(display)
    try:
        data = await asyncio.to_thread(file.read_bytes)
    except OSError:
        data = b""
    name, value = x11.cookie(data, where.number, {"", "localhost", socket.gethostname()})
    try:
        async with asyncio.timeout(_LIMIT):
            answer, said = await _greet(where, name, value)
    except TimeoutError as error:
        raise RemoteError(
            "The display hangs", f"{display.name} does not answer", "Restart the X server of this machine"
        ) from error
    except (OSError, asyncio.IncompleteReadError) as error:
        reason = clean(getattr(error, "strerror", None) or "it hung up", 80)
        raise ToolMissing(
            "No display here",
            f"Nothing answers on {display.name} ({reason})",
            "Start an X server here, or set DISPLAY to one that runs",
        ) from error
    if answer != x11.ACCEPTED:
        about = f"its cookie is not in {file}" if not value else f"with the cookie of {file}"
        raise RemoteError(
            "The display refuses",
            f"{display.name} takes no windows of ours: {said or 'no reason given'} ({about})",
            "Look at `xauth list` and XAUTHORITY; run gpubox-tui as the user whose screen it is",
        )


async def _greet(where: DisplayAddress, name: bytes, value: bytes) -> tuple[int, str]:
    """Do the X11 connection setup; return the kind of the answer (1 is success) and its reason."""
    reader, writer = await _connected(where)
    try:
        writer.write(x11.greeting(name, value))
        head = await reader.readexactly(x11.HEAD)
        rest = await reader.readexactly(x11.rest_of_answer(head))
        return head[0], clean_bytes(x11.reason(head, rest), 120).strip()
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _connected(where: DisplayAddress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if where.socket:
        return await asyncio.open_unix_connection(where.socket)
    return await asyncio.open_connection(where.host, x11.FIRST_PORT + where.number)
