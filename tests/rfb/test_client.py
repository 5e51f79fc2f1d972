"""Pictures come through every encoding and every version; nonsense is reported in words."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.core.errors import RemoteError
from gpubox.rfb import auth, client
from gpubox.rfb.client import NoGreeting
from gpubox.rfb.image import Picture
from gpubox.rfb.png import png
from tests.boxes.desktops.fake_vnc import Encode, Rfb, compact, stripes

WIDTH, HEIGHT = 21, 9


@asynccontextmanager
async def serving(server: Rfb) -> AsyncGenerator[int]:
    """Serve on a free port."""
    jobs: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        jobs.add(task)
        await server.serve(reader, writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        await asyncio.gather(*jobs, return_exceptions=True)


def packed(stream: int, filtered: int | None, head: bytes, data: bytes, reset: int = 0) -> bytes:
    """A Tight rectangle of one of the basic kinds."""
    control = (stream | (4 if filtered is not None else 0)) << 4 | reset
    kind = bytes([control]) + (b"" if filtered is None else bytes([filtered])) + head
    if len(data) < 12:
        return kind + data
    small = zlib.compressobj()
    body = small.compress(data) + small.flush(zlib.Z_SYNC_FLUSH)
    return kind + compact(len(body)) + body


def copied(rgb: bytes, width: int, height: int) -> tuple[int, bytes]:
    return 7, packed(0, None, b"", rgb, reset=1)


def by_palette(rgb: bytes, width: int, height: int) -> tuple[int, bytes]:
    pixels = [rgb[at : at + 3] for at in range(0, len(rgb), 3)]
    colors = list(dict.fromkeys(pixels))
    head = bytes([len(colors) - 1]) + b"".join(colors)
    if len(colors) > 2:
        return 7, packed(1, 1, head, bytes(colors.index(pixel) for pixel in pixels), reset=2)
    rows = [pixels[at : at + width] for at in range(0, len(pixels), width)]
    out = bytearray()
    for row in rows:
        bits = "".join(str(colors.index(pixel)) for pixel in row).ljust((width + 7) // 8 * 8, "0")
        out += int(bits, 2).to_bytes(len(bits) // 8, "big")
    return 7, packed(1, 1, head, bytes(out), reset=2)


def by_gradient(rgb: bytes, width: int, height: int) -> tuple[int, bytes]:
    def at(x: int, y: int, part: int) -> int:
        return rgb[3 * (y * width + x) + part] if x >= 0 and y >= 0 else 0

    out = bytearray()
    for y in range(height):
        for x in range(width):
            for part in range(3):
                guess = at(x - 1, y, part) + at(x, y - 1, part) - at(x - 1, y - 1, part)
                out.append((at(x, y, part) - min(max(guess, 0), 255)) & 0xFF)
    return 7, packed(2, 2, b"", bytes(out), reset=4)


def filled(rgb: bytes, width: int, height: int) -> tuple[int, bytes]:
    return 7, b"\x80" + rgb[:3]


FEW = bytes(value for at in range(WIDTH * HEIGHT) for value in ((0, 0, 0), (9, 8, 7), (255, 0, 1))[at % 3])
TWO = bytes(value for at in range(WIDTH * HEIGHT) for value in ((0, 0, 0), (9, 8, 7))[at % 5 == 0])


@pytest.mark.parametrize(
    ("encode", "rgb"),
    [
        (copied, stripes(WIDTH, HEIGHT)),
        (by_palette, FEW),
        (by_palette, TWO),
        (by_gradient, stripes(WIDTH, HEIGHT)),
        (filled, b"\x01\x80\xff" * (WIDTH * HEIGHT)),
    ],
)
async def test_a_picture_comes_through_every_kind_of_tight(encode: Encode, rgb: bytes) -> None:
    server = Rfb(WIDTH, HEIGHT, rgb, encode)
    async with serving(server) as port, client.connect(port) as screen:
        assert screen.name == "attic :1"
        assert (await screen.picture()).rgb == rgb
        assert (await screen.picture(fresh=False)).rgb == rgb
    assert server.asked == [(0, 0, 0, WIDTH, HEIGHT), (1, 0, 0, WIDTH, HEIGHT)]


@pytest.mark.parametrize("version", [b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n", b"RFB 003.889\n"])
@pytest.mark.parametrize("types", [b"\x01", b"\x02"])
async def test_every_version_of_the_protocol_is_spoken(version: bytes, types: bytes) -> None:
    rgb = stripes(WIDTH, HEIGHT)
    server = Rfb(WIDTH, HEIGHT, rgb, version=version, types=types, password=lambda: "opensesame")
    async with serving(server) as port, client.connect(port, "opensesame") as screen:
        assert (await screen.picture()).rgb == rgb


async def test_a_server_that_asks_for_nothing_is_reported_no_password() -> None:
    server = Rfb(WIDTH, HEIGHT, stripes(WIDTH, HEIGHT), types=b"\x02\x01", password=lambda: "other")
    async with serving(server) as port, client.connect(port, "secret") as screen:
        assert screen.width == WIDTH


@pytest.mark.parametrize(
    ("types", "password", "words"),
    [
        (b"\x02", "wrong", "The VNC server refused. wrong"),
        (b"\x02", None, "The desktop wants a password"),
        (b"\x13\x06", "any", "a login that only its own viewer knows"),
        (b"", None, "The VNC server refused. go away"),
    ],
)
async def test_a_refusal_is_reported_in_words(types: bytes, password: str | None, words: str) -> None:
    server = Rfb(WIDTH, HEIGHT, stripes(WIDTH, HEIGHT), types=types, password=lambda: "right")
    async with serving(server) as port:
        with pytest.raises(RemoteError) as caught:
            async with client.connect(port, password):
                pass
    assert words in str(caught.value)


async def test_bells_clipboards_and_a_new_size_are_taken_in_their_stride() -> None:
    rgb = stripes(WIDTH, HEIGHT)
    resized = struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, -223)
    colors = struct.pack(">BxHH", 1, 0, 1) + bytes(6)
    server = Rfb(WIDTH, HEIGHT, rgb, before=[b"\x02", b"\x03\0\0\0\0\0\0\x04clip", colors, resized])
    async with serving(server) as port, client.connect(port) as screen:
        assert (await screen.picture()).rgb == rgb


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\x09", "message 9"),
        (struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH + 1, 1, 0), "beside the screen"),
        (struct.pack(">BxHHHHHi", 0, 1, 0, 0, 1, 1, 16), "encoding 16"),
        (struct.pack(">BxHHHHHi", 0, 1, 0, 0, 1, 1, 7) + b"\x90", "kind 9"),
        (struct.pack(">BxHHHHHi", 0, 1, 0, 0, 1, 1, 7) + b"\x40\x07", "tight filter 7"),
        (struct.pack(">BxHHHHHi", 0, 1, 0, 0, 9, 9, 7) + b"\x00\x04nono", "does not unpack"),
        (struct.pack(">BxHHHHHi", 0, 1, 0, 0, 9, 9, 7) + packed(0, None, b"", bytes(20)), "20 bytes"),
        (struct.pack(">BxHHHHHi", 0, 1, 0, 0, 65535, 65535, -223), "a screen of 65535 x 65535"),
        (b"\x03\0\0\0\xff\xff\xff\xff", "a text of 4294967295 bytes"),
    ],
)
async def test_nonsense_is_reported_as_such(message: bytes, words: str) -> None:
    server = Rfb(WIDTH, HEIGHT, stripes(WIDTH, HEIGHT), before=[message])
    async with serving(server) as port, client.connect(port) as screen:
        with pytest.raises(RemoteError, match="cannot be understood") as caught:
            await screen.picture()
    assert words in caught.value.text


async def _says(data: bytes) -> tuple[asyncio.Server, int]:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", NoGreeting, "No desktop answers"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", RemoteError, "Not a VNC server"),
        (b"RFB 003.008\n", RemoteError, "The desktop went away"),
    ],
)
async def test_what_is_no_desktop_is_distinguished(data: bytes, kind: type[RemoteError], words: str) -> None:
    server, port = await _says(data)
    async with server:
        assert await client.answers(port) is data.startswith(b"RFB ")
        with pytest.raises(kind, match=words):
            async with client.connect(port):
                pass


async def test_where_nothing_listens_there_is_no_desktop() -> None:
    server, port = await _says(b"")
    server.close()
    await server.wait_closed()
    assert not await client.answers(port)
    with pytest.raises(NoGreeting, match="Nothing listens"):
        async with client.connect(port):
            pass


def test_passwords_are_those_of_vnc() -> None:
    assert auth.hide("secretpw").hex() == "c5e28d47bd4ab77f"  # what `vncpasswd -f` writes
    assert auth.answer("", bytes(16)).hex() == "8ca64de9c1b123a7" * 2  # DES with a key of zeros


@given(st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=8))
def test_a_stored_password_comes_back(password: str) -> None:
    assert auth.reveal(auth.hide(password)) == password


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60))
def test_a_picture_of_one_color_keeps_it_in_every_size(width: int, height: int, to: int, high: int) -> None:
    color = b"\x10\x80\xf0"
    scaled = Picture(width, height, color * (width * height)).scaled(to, high)
    assert scaled == Picture(to, high, color * (to * high))


def test_a_smaller_picture_is_a_mean() -> None:
    checks = b"\0\0\0\xff\xff\xff" * 2 + b"\xff\xff\xff\0\0\0" * 2
    assert Picture(4, 2, checks).scaled(2, 1).rgb == bytes([127] * 6)


def test_a_png_holds_the_pixels() -> None:
    rgb = stripes(5, 3)
    data = png(5, 3, rgb)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    assert struct.unpack(">IIBB", chunks[b"IHDR"][:10]) == (5, 3, 8, 2)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert b"".join(rows[y * 16 + 1 : y * 16 + 16] for y in range(3)) == rgb
    assert {rows[y * 16] for y in range(3)} == {0}
