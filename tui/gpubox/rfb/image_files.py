"""Reads pictures that jobs leave: PNG by itself, JPEG where Pillow happens to be installed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from itertools import accumulate

from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.rfb.image import Picture

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Names that can be looked at."""
LARGEST = 40_000_000
"""Bytes of a file that are fetched to be looked at."""
_PIXELS = 40_000_000
"""Pixels of a picture that is read; with less a file of a few bytes could fill the memory."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Values of a pixel by PNG's color type."""


def read(data: bytes) -> Picture:
    """Return the picture in a file. It takes up to seconds: call it in a thread.

    Raises RemoteError when it is none, is broken, or needs Pillow and that is not there.
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return _by_pillow(data)
        if data.startswith(_SIGNATURE):
            return _png(data)
    except (zlib.error, struct.error, IndexError, ValueError, OSError) as error:
        raise _wrong(f"the file is damaged: {error}") from error
    raise _wrong("it is neither PNG nor JPEG")


def _wrong(words: str, hint: str = "Fetch it, and open it with a program of this machine") -> GpuBoxError:
    return RemoteError("The picture cannot be shown", words, hint)


def _by_pillow(data: bytes) -> Picture:
    try:
        from PIL import Image
    except ImportError:
        raise _wrong(
            "JPEG takes Pillow, which is not installed here",
            "pip install pillow, or fetch the file and open it",
        ) from None
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _PIXELS:
                raise _wrong(f"it has {image.width} x {image.height} pixels")
            image.draft("RGB", (800, 800))  # JPEG is read at an eighth of its size as quickly as it can be
            small = image.convert("RGB")
            return Picture(small.width, small.height, small.tobytes())
    except (Image.DecompressionBombError, SyntaxError, EOFError) as error:  # what Pillow says of bad files
        raise _wrong(f"the file is damaged: {error}") from error


def _png(data: bytes) -> Picture:
    header = b""
    palette = b""
    packed: list[bytes] = []
    for kind, body in _chunks(data):
        if kind == b"IHDR":
            header = body
        elif kind == b"PLTE":
            palette = body
        elif kind == b"IDAT":
            packed.append(body)
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if not 0 < width * height <= _PIXELS:
        raise _wrong(f"it has {width} x {height} pixels")
    if interlaced or depth < 8 or color not in _CHANNELS:
        return _by_pillow(data)
    channels = _CHANNELS[color]
    size = channels * depth // 8
    stride = width * size
    raw = zlib.decompressobj().decompress(b"".join(packed), height * (stride + 1))
    if len(raw) < height * (stride + 1):
        raise _wrong("the file is cut short")
    out = bytearray()
    for row in _rows(raw, stride, size):
        values = row[0::2] if depth == 16 else row
        out += _rgb(values, channels, palette if color == 3 else b"")
    return Picture(width, height, bytes(out))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        kind = data[place + 4 : place + 8]
        yield kind, data[place + 8 : place + 8 + length]
        if kind == b"IEND":
            return
        place += length + 12


def _rows(raw: bytes, stride: int, size: int) -> Iterator[bytes]:
    """Yield the rows of a picture without their filters."""
    above = bytes(stride)
    ones = int.from_bytes(b"\x7f" * stride, "big")
    for start in range(0, len(raw) - stride, stride + 1):
        line = raw[start + 1 : start + 1 + stride]
        match raw[start]:
            case 0:
                row = line
            case 1:
                row = _left(line, size)
            case 2:  # the sum of all bytes at once, without carries from one to the next
                one, other = int.from_bytes(line, "big"), int.from_bytes(above, "big")
                row = (((one & ones) + (other & ones)) ^ ((one ^ other) & ~ones)).to_bytes(stride, "big")
            case 3:
                row = _average(line, above, size)
            case _:
                row = _paeth(line, above, size)
        yield row
        above = row


def _left(line: bytes, size: int) -> bytes:
    row = bytearray(line)
    for part in range(size):
        row[part::size] = bytes(value & 0xFF for value in accumulate(line[part::size]))
    return bytes(row)


def _average(line: bytes, above: bytes, size: int) -> bytes:
    row = bytearray(line)
    for place, value in enumerate(line):
        left = row[place - size] if place >= size else 0
        row[place] = (value + (left + above[place]) // 2) & 0xFF
    return bytes(row)


def _paeth(line: bytes, above: bytes, size: int) -> bytes:
    row = bytearray(line)
    for part in range(size):
        left = corner = 0
        for place in range(part, len(line), size):
            up = above[place]
            across, down = abs(up - corner), abs(left - corner)
            both = abs(left + up - 2 * corner)
            guess = left if across <= down and across <= both else up if down <= both else corner
            left = row[place] = (line[place] + guess) & 0xFF
            corner = up
    return bytes(row)


def _rgb(values: bytes, channels: int, palette: bytes) -> bytes:
    """Return a row as red, green and blue; what is transparent is drawn as if it were not."""
    out = bytearray(3 * (len(values) // channels))
    for part in range(3):
        if palette:
            table = bytes(palette[3 * n + part] if 3 * n + part < len(palette) else 0 for n in range(256))
            out[part::3] = values.translate(table)
        else:
            out[part::3] = values[part if channels > 2 else 0 :: channels]
    return bytes(out)
