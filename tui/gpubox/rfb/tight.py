"""Decodes the Tight encoding of RFB: the most compact one of most VNC servers, and fast to decode."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable

Read = Callable[[int], Awaitable[bytes]]
"""Reads exactly a number of bytes."""

_WIDEST = 2048
"""Most pixels of a row, by the protocol; a filled rectangle may be wider."""
_LARGEST = 2048 * 2304
"""Most pixels of a rectangle: servers split larger ones, most of them at 65,536."""
_BAND = 1 << 18
_STORED = 12
"""Bytes under which data is not compressed."""
_BITS = tuple(bytes(byte >> shift & 1 for shift in range(7, -1, -1)) for byte in range(256))


class Malformed(Exception):
    """The server sent invalid Tight data."""


class Tight:
    """The decoder of one connection, with its four zlib streams."""

    def __init__(self) -> None:
        self._streams = [zlib.decompressobj() for _ in range(4)]

    async def rectangle(self, read: Read, width: int, height: int) -> AsyncGenerator[tuple[int, bytes]]:
        """Yield rows of one rectangle, red, green and blue, each time with the first one's number.

        Raises Malformed.
        """
        control = (await read(1))[0]
        for number in range(4):
            if control >> number & 1:
                self._streams[number] = zlib.decompressobj()
        kind = control >> 4
        if kind == 8:
            color = await read(3)
            band = max(1, _BAND // width)
            for top in range(0, height, band):
                yield top, color * (width * min(band, height - top))
            return
        if kind > 8:
            raise Malformed(f"tight rectangle of kind {kind}, which nobody asked for")
        if width > _WIDEST or width * height > _LARGEST:
            raise Malformed(f"tight rectangle of {width} x {height}")
        stream = kind & 3
        filtered = (await read(1))[0] if kind & 4 else 0
        match filtered:
            case 0:
                yield 0, await self._data(read, stream, 3 * width * height)
            case 1:
                yield 0, await self._palette(read, stream, width, height)
            case 2:
                data = await self._data(read, stream, 3 * width * height)
                # The largest takes 10 seconds: the panel must keep running.
                yield 0, await asyncio.to_thread(_gradient, data, width, height)
            case _:
                raise Malformed(f"tight filter {filtered}")

    async def _palette(self, read: Read, stream: int, width: int, height: int) -> bytes:
        count = (await read(1))[0] + 1
        colors = await read(3 * count)
        if count == 2:
            stride = (width + 7) // 8
            bits = await self._data(read, stream, stride * height)
            rows = (bits[start : start + stride] for start in range(0, stride * height, stride))
            places = b"".join(b"".join(_BITS[byte] for byte in row)[:width] for row in rows)
        else:
            places = await self._data(read, stream, width * height)
        out = bytearray(3 * width * height)
        for part in range(3):
            out[part::3] = places.translate(colors[part::3].ljust(256, b"\0"))
        return bytes(out)

    async def _data(self, read: Read, stream: int, size: int) -> bytes:
        if size < _STORED:
            return await read(size)
        packed = await read(await _length(read))
        try:
            data = self._streams[stream].decompress(packed, size)
        except zlib.error as error:
            raise Malformed("tight data that does not unpack") from error
        if len(data) != size:
            raise Malformed(f"{len(data)} bytes of tight data in the place of {size}")
        return data


async def _length(read: Read) -> int:
    length = 0
    for shift in (0, 7, 14):
        byte = (await read(1))[0]
        length |= (byte if shift == 14 else byte & 0x7F) << shift
        if byte < 0x80:
            break
    return length


def _gradient(data: bytes, width: int, height: int) -> bytes:
    """Undo the filter that sends only what differs from left + above - above left."""
    stride = 3 * width
    out = bytearray(data)
    above = bytes(stride + 3)
    for start in range(0, stride * height, stride):
        row = bytearray(stride + 3)
        for at in range(3, stride + 3):
            guess = min(max(row[at - 3] + above[at] - above[at - 3], 0), 255)
            row[at] = (data[start + at - 3] + guess) & 0xFF
        out[start : start + stride] = row[3:]
        above = bytes(row)
    return bytes(out)
