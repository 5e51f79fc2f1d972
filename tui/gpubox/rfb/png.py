"""Writes a picture as a PNG file, with zlib alone."""

from __future__ import annotations

import struct
import zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(width: int, height: int, rgb: bytes) -> bytes:
    """Return a PNG of rows of red, green and blue bytes."""
    stride = 3 * width
    packer = zlib.compressobj(6)
    starts = range(0, stride * height, stride)
    packed = (
        b"".join(packer.compress(b"\0" + rgb[start : start + stride]) for start in starts) + packer.flush()
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
