"""Finds the X server of this machine, as its own programs do: its address, its cookie, its greeting."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gpubox.core.channels import Display
from gpubox.core.errors import GpuBoxError, RemoteError, ToolMissing
from gpubox.core.sanitize import clean, clean_bytes

_LIMIT = 3.0
"""Seconds that a display gets to answer."""
_FIRST_PORT = 6000
_LOCAL, _WILD = 256, 65535
"""Address families of a cookie: for this machine by its name, and for any machine."""


@dataclass(frozen=True, slots=True)
class DisplayAddress:
    """Where a display is."""

    host: str
    """Empty for this machine's sockets; an absolute path is the socket's own, up to its number."""
    number: int


def address(name: str) -> DisplayAddress:
    """Parse a DISPLAY; raises GpuBoxError when it is invalid."""
    host, colon, rest = name.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdigit():
        raise GpuBoxError(
            "Not a display", f"DISPLAY is {clean(name, 60)!r} here", "It looks like :0 or host:0"
        )
    host = host.removeprefix("[").removesuffix("]")
    return DisplayAddress("" if host == "unix" else host, int(number))


def authority(display: Display) -> Path:
    """Return the file with the cookies of a display."""
    return Path(display.authority or os.environ.get("XAUTHORITY") or "~/.Xauthority").expanduser()


def cookie(data: bytes, where: DisplayAddress) -> tuple[bytes, bytes]:
    """Return the name and the value of a display's cookie in an Xauthority file; empty when it has none."""
    hosts = {"", "localhost", socket.gethostname()}
    display_number = str(where.number).encode()
    for family, host, number, name, value in _entries(data):
        here = family == _WILD or (family == _LOCAL and host.decode("utf-8", "replace") in hosts)
        if here and number in (b"", display_number):
            return name, value
    return b"", b""


def _entries(data: bytes) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    position = 0
    try:
        while position < len(data):
            (family,) = struct.unpack_from(">H", data, position)
            position += 2
            fields: list[bytes] = []
            for _ in range(4):
                (length,) = struct.unpack_from(">H", data, position)
                fields.append(data[position + 2 : position + 2 + length])
                position += 2 + length
            if position > len(data):
                return
            yield family, fields[0], fields[1], fields[2], fields[3]
    except struct.error:
        return  # cut short


async def check(display: Display) -> None:
    """Check that a display accepts windows; raises ToolMissing or RemoteError."""
    where = address(display.name)
    file = authority(display)
    try:
        data = await asyncio.to_thread(file.read_bytes)
    except OSError:
        data = b""
    name, value = cookie(data, where)
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
    if answer != 1:
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
        hello = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(value))
        writer.write(hello + _padded(name) + _padded(value))
        head = await reader.readexactly(8)
        rest = b"" if head[0] == 1 else await reader.readexactly(4 * struct.unpack("<H", head[6:8])[0])
        return head[0], clean_bytes(rest[: head[1]] if head[0] == 0 else rest.rstrip(b"\0"), 120).strip()
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _connected(where: DisplayAddress) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if where.host.startswith("/"):
        return await asyncio.open_unix_connection(f"{where.host}:{where.number}")
    if not where.host:
        return await asyncio.open_unix_connection(f"/tmp/.X11-unix/X{where.number}")
    return await asyncio.open_connection(where.host, _FIRST_PORT + where.number)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
