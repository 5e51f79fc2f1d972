"""A VNC server that is not to be trusted holds nobody up, and takes a bounded share of the memory."""

from __future__ import annotations

import asyncio
import struct
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from gpubox.core.errors import RemoteError
from gpubox.rfb import client
from gpubox.rfb.image import Picture
from tests.boxes.desktops.fake_vnc import Rfb

WIDTH, HEIGHT = 21, 9


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no busy machine pass for a slow server."""
    monkeypatch.setattr(client, "_GREETING", 600.0)
    monkeypatch.setattr(client, "_MESSAGE", 600.0)


def _area(width: int, height: int, encoding: int, count: int = 1) -> bytes:
    return struct.pack(">BxHHHHHi", 0, count, 0, 0, width, height, encoding)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (_area(4096, 4096, -223) + _area(4095, 4096, -223), "one size of the screen after another"),
        (b"\x02", "messages without a picture"),
        (_area(0, 0, 0, 0), "messages without a picture"),
        (struct.pack(">BxH", 0, 65535) + struct.pack(">HHHHi", 0, 0, 0, 0, 0) * 65535, "without a picture"),
        (_area(4097, 4096, -223), "a screen of 4097 x 4096"),
        (_area(4000, 4000, -223) + _area(3000, 1000, 7) + b"\0", "tight rectangle of 3000 x 1000"),
        (_area(4000, 4000, -223) + _area(2000, 4000, 7) + b"\0", "tight rectangle of 2000 x 4000"),
    ],
)
async def test_a_server_that_never_comes_to_the_picture_holds_nobody_up(message: bytes, words: str) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(message * max(1, 20_000 // len(message)))
            await writer.drain()

    ticks = 0

    async def ticking() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    async with _hostile(endless) as port, client.connect(port) as screen:
        beside = asyncio.create_task(ticking())
        with pytest.raises(RemoteError) as caught:
            await screen.picture()
        beside.cancel()
    assert words in caught.value.text
    assert ticks >= (1000 if "without a picture" in words else 1)


async def test_a_server_that_never_greets_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_GREETING", 0.2)
    for said in (b"", b"RFB 003.008\n", b"RFB 003.008\n\x01\x01"):
        async with _silent(said) as port:
            with pytest.raises(RemoteError, match="did not greet"):
                async with client.connect(port):
                    pass


async def test_a_message_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_MESSAGE", 0.2)

    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(_area(WIDTH, HEIGHT, 0))
        await writer.drain()

    async with _hostile(half) as port, client.connect(port) as screen:
        with pytest.raises(RemoteError, match="No picture came"):
            await screen.picture(fresh=False)


async def test_a_look_at_the_largest_screen_takes_no_more_memory_than_the_picture_twice() -> None:
    """As raw pixels, which take a third more than the picture itself."""
    width, height = 4096, 2048

    async def white(writer: asyncio.StreamWriter) -> None:
        writer.write(_area(width, height, -223) + _area(width, height, 0))
        for _ in range(height):
            writer.write(b"\xff" * (4 * width))
            await writer.drain()

    async with _hostile(white) as port, client.connect(port) as screen:
        tracemalloc.start()
        try:
            picture = await screen.picture()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert picture == Picture(width, height, b"\xff" * (3 * width * height))
    assert peak < 2.3 * len(picture.rgb)


@asynccontextmanager
async def _hostile(picture: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncGenerator[int]:
    """A server that greets well, and then does what it likes."""
    server = Rfb(WIDTH, HEIGHT, b"")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            writer.write(server.version)
            await reader.readexactly(12)
            writer.write(b"\x01\x01")
            await reader.readexactly(1)
            writer.write(bytes(4))
            await reader.readexactly(1)
            writer.write(struct.pack(">HH16xI", WIDTH, HEIGHT, 0))
            await picture(writer)
            await reader.read()
        writer.close()

    async with _listening(serve) as port:
        yield port


@asynccontextmanager
async def _silent(said: bytes) -> AsyncGenerator[int]:
    """A server that says so much, and holds the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            writer.write(said)
            while await reader.read(100):
                pass
        writer.close()

    async with _listening(serve) as port:
        yield port


@asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[int]:
    tasks: set[asyncio.Future[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(serve(reader, writer)))

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
