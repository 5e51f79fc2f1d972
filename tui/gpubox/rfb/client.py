"""Views a VNC server's screen: the part of RFB that a picture needs, without keys or clicks."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from gpubox.core.errors import RemoteError
from gpubox.core.loopback import LOOPBACK
from gpubox.core.sanitize import clean_bytes
from gpubox.rfb import auth
from gpubox.rfb.image import Picture
from gpubox.rfb.tight import Malformed, Tight

_RAW, _TIGHT, _RESIZED = 0, 7, -223
_NONE, _PASSWORD = 1, 2
_MOST_PIXELS = 1 << 24
"""Pixels of a screen: two of 4K have fewer. Each takes 3 bytes, and 3 more while a picture of it is made."""
_RESIZES = 16
"""How often a screen may be resized while one picture is taken."""
_EMPTY = 10_000
"""Messages and rectangles without a pixel that may come while one picture is taken."""
_BAND = 1 << 18
"""Pixels of a rectangle that are read at once."""
_GREETING = 10.0
"""Seconds for the whole greeting."""
_MESSAGE = 30.0
"""Seconds for a message that has begun: a server may never finish one."""
_LONGEST_TEXT = 1 << 20
_FORMAT = struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
"""SetPixelFormat: 32 bits little-endian, so that Tight leaves three bytes a pixel: red, green, blue."""
_ENCODINGS = struct.pack(">BxHiii", 2, 3, _TIGHT, _RAW, _RESIZED)


class NoGreeting(RemoteError):
    """No VNC server answers at a port yet."""


class Screen:
    """An open view-only connection to a VNC server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._tight = Tight()
        self._pixels = bytearray()
        self._resizes = self._empty = 0
        self.width = 0
        self.height = 0
        self.name = ""
        """The server's name for the desktop; safe to draw."""

    async def picture(self, *, fresh: bool = True) -> Picture:
        """Return the whole screen; without `fresh` it waits until something on it has changed.

        Raises RemoteError when the server goes away or sends nonsense.
        """
        async with _explained():
            self._resizes = self._empty = 0
            missing = 0
            size: tuple[int, int] | None = None
            while size is None or missing > 0:
                if size != (self.width, self.height):  # first, and after a viewer has resized the screen
                    whole = fresh or size is not None
                    size = self.width, self.height
                    # The whole screen comes in one update or in several; what has changed comes in one.
                    missing = self.width * self.height if whole else 1
                    self._writer.write(struct.pack(">BBHHHH", 3, not whole, 0, 0, *size))
                missing -= await self._update()
        return Picture(self.width, self.height, bytes(self._pixels))

    async def greet(self, password: str | None) -> None:
        """Shake hands; see connect."""
        try:
            async with asyncio.timeout(_GREETING):
                await self._greet(password)
        except TimeoutError as error:
            text = f"Its VNC server did not greet in {_GREETING:.0f} seconds"
            raise RemoteError("The desktop is slow", text) from error

    async def _greet(self, password: str | None) -> None:
        try:
            banner = await self._read(12)
        except (asyncio.IncompleteReadError, OSError) as error:
            raise NoGreeting("No desktop answers", "The VNC server does not listen") from error
        if not banner.startswith(b"RFB "):
            raise RemoteError("Not a VNC server", f"It says {clean_bytes(banner)}")
        async with _explained():
            old = banner < b"RFB 003.007"
            self._writer.write(b"RFB 003.003\n" if old else b"RFB 003.008\n")
            await self._prove(await self._method(old, password), password, banner)
            self._writer.write(b"\1")  # shared: other viewers stay connected
            width, height = struct.unpack(">HH16x", await self._read(20))
            self.name = clean_bytes(await self._text(), 80)
            self._resize(width, height)
            self._writer.write(_FORMAT + _ENCODINGS)

    async def _method(self, old: bool, password: str | None) -> int:
        if old:
            (method,) = struct.unpack(">I", await self._read(4))
            offered = bytes([method & 0xFF]) if method else b""
        else:
            offered = await self._read((await self._read(1))[0])
        if not offered:
            raise RemoteError("The VNC server refused", clean_bytes(await self._text(), 200))
        usable = [
            one for one in (_NONE, _PASSWORD) if one in offered and (one == _NONE or password is not None)
        ]
        if not usable and _PASSWORD in offered:
            raise RemoteError("The desktop wants a password", "Only its own viewer can ask for it")
        if not usable:
            raise RemoteError(
                "The desktop cannot be looked at", "It asks for a login that only its own viewer knows"
            )
        if not old:
            self._writer.write(bytes(usable[:1]))
        return usable[0]

    async def _prove(self, method: int, password: str | None, banner: bytes) -> None:
        if method == _PASSWORD:
            self._writer.write(auth.answer(password or "", await self._read(16)))
        elif banner < b"RFB 003.008":
            return
        (refused,) = struct.unpack(">I", await self._read(4))
        if refused:
            said = clean_bytes(await self._text(), 200) if banner >= b"RFB 003.008" else "wrong password"
            raise RemoteError("The VNC server refused", said)

    async def _update(self) -> int:
        """Process one message; return the number of its pixels."""
        kind = (await self._read(1))[0]
        try:
            async with asyncio.timeout(_MESSAGE):
                return await self._message(kind)
        except TimeoutError as error:
            raise RemoteError("The desktop is slow", f"No picture came in {_MESSAGE:.0f} seconds") from error

    async def _message(self, kind: int) -> int:
        await self._pause()
        match kind:
            case 0:
                (count,) = struct.unpack(">xH", await self._read(3))
                pixels = 0
                for _ in range(count):
                    pixels += await self._rectangle()
                return pixels
            case 1:
                (colors,) = struct.unpack(">xHH", await self._read(5))[1:]
                await self._read(6 * colors)
            case 2:
                pass
            case 3:
                await self._read(3)
                await self._text()
            case _:
                raise Malformed(f"message {kind}")
        return 0

    async def _pause(self) -> None:
        """Yield to other tasks: reading buffered data never does, and the panel has to draw."""
        self._empty += 1
        if self._empty > _EMPTY:
            raise Malformed("messages without a picture")
        await asyncio.sleep(0)

    async def _rectangle(self) -> int:
        x, y, width, height, encoding = struct.unpack(">HHHHi", await self._read(12))
        await self._pause()
        if encoding == _RESIZED:
            self._resizes += 1
            if self._resizes > _RESIZES:
                raise Malformed("one size of the screen after another")
            self._resize(width, height)
            return 0
        if x + width > self.width or y + height > self.height:
            raise Malformed("a rectangle beside the screen")
        if not width * height:
            return 0
        match encoding:
            case 0:
                band = max(1, _BAND // width)
                for top in range(0, height, band):
                    rows = min(band, height - top)
                    self._put(x, y + top, width, _from_raw(await self._read(4 * width * rows)))
                    await asyncio.sleep(0)
            case 7:
                async for top, rgb in self._tight.rectangle(self._read, width, height):
                    self._put(x, y + top, width, rgb)
                    await asyncio.sleep(0)
            case _:
                raise Malformed(f"encoding {encoding}, which nobody asked for")
        self._empty = 0
        return width * height

    def _put(self, x: int, y: int, width: int, rgb: bytes) -> None:
        """Put rows of pixels on the screen."""
        stride = 3 * self.width
        for start in range(0, len(rgb), 3 * width):
            at = y * stride + 3 * x
            self._pixels[at : at + 3 * width] = rgb[start : start + 3 * width]
            y += 1

    def _resize(self, width: int, height: int) -> None:
        if width * height > _MOST_PIXELS:
            raise Malformed(f"a screen of {width} x {height}")
        self.width, self.height = width, height
        self._pixels = bytearray()  # never hold two screens at once
        self._pixels = bytearray(3 * width * height)

    async def _read(self, size: int) -> bytes:
        return await self._reader.readexactly(size)

    async def _text(self) -> bytes:
        (size,) = struct.unpack(">I", await self._read(4))
        if size > _LONGEST_TEXT:
            raise Malformed(f"a text of {size} bytes")
        return await self._read(size)


def _from_raw(pixels: bytes) -> bytes:
    out = bytearray(len(pixels) // 4 * 3)
    out[0::3], out[1::3], out[2::3] = pixels[2::4], pixels[1::4], pixels[0::4]
    return bytes(out)


@asynccontextmanager
async def _explained() -> AsyncGenerator[None]:
    """Turn errors of a connection into RemoteError."""
    try:
        yield
    except Malformed as error:
        raise RemoteError("The VNC server cannot be understood", f"It sent {error}") from error
    except (asyncio.IncompleteReadError, OSError) as error:
        raise RemoteError("The desktop went away", "Its VNC server closed the connection") from error


async def answers(port: int) -> bool:
    """Return whether a VNC server greets behind a port of this machine's loopback; waits a second at most."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                return (await reader.readexactly(4)) == b"RFB "
            finally:
                await _leave(writer)
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return False


@asynccontextmanager
async def connect(port: int, password: str | None = None) -> AsyncGenerator[Screen]:
    """Open a VNC server behind a port of this machine's loopback, to look at.

    Raises NoGreeting when nothing answers there yet, RemoteError when it refuses or is no VNC server.
    """
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError as error:
        raise NoGreeting("No desktop answers", f"Nothing listens on 127.0.0.1:{port}") from error
    try:
        screen = Screen(reader, writer)
        await screen.greet(password)
        yield screen
    finally:
        await _leave(writer)


async def _leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
