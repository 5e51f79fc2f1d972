"""A VNC server that shows one picture: a thing to talk to, and a program in the place of Xtigervnc.

As a program it takes Xtigervnc's options and does what the file beside it, `FAKE`, tells it to.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gpubox.rfb import auth

Encode = Callable[[bytes, int, int], tuple[int, bytes]]
"""Takes the pixels of a picture and its size; gives the encoding's number and what follows it."""


def raw(rgb: bytes, width: int, height: int) -> tuple[int, bytes]:
    """Pixels as they are: blue, green, red, nothing."""
    out = bytearray(4 * width * height)
    out[0::4], out[1::4], out[2::4] = rgb[2::3], rgb[1::3], rgb[0::3]
    return 0, bytes(out)


def compact(size: int) -> bytes:
    """A length as Tight writes it."""
    out = bytearray()
    for last in (False, False, True):
        rest = size >> 7
        out.append(size & 0xFF if last else size & 0x7F | (0x80 if rest else 0))
        if last or not rest:
            return bytes(out)
        size = rest
    raise AssertionError


@dataclass
class Rfb:
    """What a server of a test offers."""

    width: int
    height: int
    rgb: bytes
    encode: Encode = raw
    version: bytes = b"RFB 003.008\n"
    types: bytes = b"\x01"
    password: Callable[[], str] = lambda: ""
    name: bytes = b"attic :1"
    before: list[bytes] = field(default_factory=list[bytes])
    """Messages that come before each picture."""
    asked: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    """The update requests that came in: incremental, x, y, width, height."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one viewer until it leaves."""
        try:
            await self._serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.version)
        said = await reader.readexactly(12)
        if said == b"RFB 003.003\n":
            kind = self.types[0]
            writer.write(struct.pack(">I", kind))
        else:
            writer.write(bytes([len(self.types)]) + self.types)
            if not self.types:
                return writer.write(struct.pack(">I", 7) + b"go away")
            kind = (await reader.readexactly(1))[0]
        if not await self._welcome(kind, reader, writer):
            return None
        await reader.readexactly(1)
        form = bytes(16)
        writer.write(struct.pack(">HH", self.width, self.height) + form)
        writer.write(struct.pack(">I", len(self.name)) + self.name)
        while True:
            await self._message(reader, writer)

    async def _welcome(self, kind: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if kind == 2:
            challenge = os.urandom(16)
            writer.write(challenge)
            if await reader.readexactly(16) != auth.answer(self.password(), challenge):
                writer.write(struct.pack(">II", 1, 5) + b"wrong")
                return False
        if kind == 2 or self.version >= b"RFB 003.008":
            writer.write(struct.pack(">I", 0))
        return True

    async def _message(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = (await reader.readexactly(1))[0]
        match kind:
            case 0:
                await reader.readexactly(19)
            case 2:
                (count,) = struct.unpack(">xH", await reader.readexactly(3))
                await reader.readexactly(4 * count)
            case 3:
                self.asked.append(struct.unpack(">BHHHH", await reader.readexactly(9)))
                writer.write(b"".join(self.before) + self.update())
                self.before.clear()
            case _:
                raise AssertionError(f"a viewer that only looks sent message {kind}")

    def update(self) -> bytes:
        """The whole picture as one message."""
        encoding, data = self.encode(self.rgb, self.width, self.height)
        return struct.pack(">BxHHHHHi", 0, 1, 0, 0, self.width, self.height, encoding) + data


def stripes(width: int, height: int) -> bytes:
    """A picture with more than one color."""
    return bytes(value & 0xFF for y in range(height) for x in range(width) for value in (3 * x, y, x ^ y))


RACED = {
    "raced-lock": "Server is already active for display {}",
    "raced-socket": "Cannot establish any listening sockets - Make sure an X server isn't already running",
}


async def run(words: list[str]) -> int:
    """Do as Xtigervnc does."""
    reported = Path(__file__ if len(sys.argv) < 1 else sys.argv[0]).with_name("FAKE")
    script = reported.read_text().split() if reported.exists() else []
    if "-version" in words:
        print("Xvnc TigerVNC 9.9 - built for a test")
        return 0
    if "fail" in script:
        print("Fatal server error:\n(EE) no screens here\x1b[2J", file=sys.stderr)
        return 1
    if script and script[0] in RACED:
        reported.write_text(" ".join(script[1:]))
        print(f"Fatal server error:\n(EE) {RACED[script[0]].format(words[0][1:])}", file=sys.stderr)
        return 1
    options = dict(zip(words, [*words[1:], ""], strict=True))
    width, height = (int(part) // 100 for part in options["-geometry"].split("x"))
    secret = Path(options["-PasswordFile"])
    types = bytes({"None": 1, "VncAuth": 2}[one] for one in options["-SecurityTypes"].split(","))
    rfb = Rfb(
        width, height, stripes(width, height), types=types, password=lambda: auth.reveal(secret.read_bytes())
    )
    if path := options.get("-rfbunixpath"):
        os.umask(0o177)
        server = await asyncio.start_unix_server(rfb.serve, path)
    else:
        server = await asyncio.start_server(rfb.serve, "127.0.0.1", int(options["-rfbport"]))
    os.write(int(options["-displayfd"]), words[0][1:].encode() + b"\n")
    os.close(int(options["-displayfd"]))
    async with server:
        await server.serve_forever()
    return 0
