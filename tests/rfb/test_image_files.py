"""Pictures that jobs leave: read with Pillow, and without it words that name the extra."""

from __future__ import annotations

import importlib
import io
import random
import struct
import sys
import zlib

import pytest

from gpubox.core.errors import RemoteError
from gpubox.rfb import image_files
from gpubox.rfb.png import png

Image = pytest.importorskip("PIL.Image")


def noisy(width: int, height: int) -> bytes:
    rng = random.Random(7)
    return bytes((x * 3 + y * 5 + rng.randrange(40)) & 0xFF for y in range(height) for x in range(3 * width))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG that claims a size; there is nothing of it."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes((1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame + b"\xff\xda\x00\x02"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
def test_every_kind_of_color_is_understood(mode: str) -> None:
    image = Image.frombytes("RGB", (64, 48), noisy(64, 48)).convert(mode)
    file = io.BytesIO()
    image.save(file, "PNG")
    read = image_files.read(file.getvalue())
    assert (read.width, read.height) == (64, 48)
    plain = image.convert("RGB") if mode != "RGBA" else image
    assert read.rgb == (
        plain.convert("RGB").tobytes() if mode != "LA" else image.getchannel(0).convert("RGB").tobytes()
    )


def test_our_own_pictures_are_read_back() -> None:
    rgb = noisy(20, 10)
    assert image_files.read(png(20, 10, rgb)).rgb == rgb


def test_jpeg_is_read() -> None:
    file = io.BytesIO()
    Image.frombytes("RGB", (64, 48), noisy(64, 48)).save(file, "JPEG")
    assert image_files.read(file.getvalue()).width == 64


def test_gray_of_sixteen_bits_is_not_clipped_to_eight() -> None:
    file = io.BytesIO()
    Image.frombytes("I;16", (4, 1), struct.pack("<4H", 0, 0x0100, 0x8000, 0xFFFF)).save(file, "PNG")
    gray = bytes(value for value in (0, 1, 0x80, 0xFF) for _ in range(3))
    assert image_files.read(file.getvalue()).rgb == gray


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    importlib.invalidate_caches()
    with pytest.raises(RemoteError, match="extra `pictures`") as caught:
        image_files.read(png(20, 10, noisy(20, 10)))
    assert "with its extra `pictures`" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GIF89a", "neither PNG nor JPEG"),
        (png(20, 10, noisy(20, 10))[:60], "cut short|damaged"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0 no more", "damaged"),
        (jpeg_of(65535, 65535), "damaged|pixels"),
        (jpeg_of(6500, 6500), "6500 x 6500 pixels"),
        (jpeg_of(10000, 10000), "pixels"),
        (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", b""),
            "pixels",
        ),
    ],
)
def test_what_is_no_picture_is_reported_in_words(data: bytes, said: str) -> None:
    with pytest.raises(RemoteError, match=said):
        image_files.read(data)
