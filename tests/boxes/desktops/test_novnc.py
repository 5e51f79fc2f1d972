"""A desktop in the browser: the pages of the box, a WebSocket to the desktop, nothing without the token."""

from __future__ import annotations

import asyncio
import gzip
import os
import tarfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import pytest

from gpubox.boxes.desktops import novnc
from gpubox.core.errors import RemoteError, ToolMissing
from gpubox.core.shell import CommandResult
from tests.boxes.desktops.conftest import place
from tests.boxes.desktops.fake_vnc import Rfb, stripes
from tests.boxes.desktops.places import Place
from tests.boxes.scripted import ScriptedShell
from tests.rfb.test_client import serving

__all__ = ["place"]

FILES = {"vnc.html": b"<html>", "core/rfb.js": b"export default 1;\n"}

UPGRADE = (
    "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"
)


def packed(size: int) -> bytes:
    """An archive that claims a page of a size; there is nothing of it."""
    member = tarfile.TarInfo("vnc.html")
    member.size = size
    return member.tobuf() + bytes(1024)


def nested(count: int) -> bytes:
    """An archive of headers that each belong to the next one."""
    member = tarfile.TarInfo("././@LongLink")
    member.type = tarfile.GNUTYPE_LONGNAME
    return member.tobuf() * count


@asynccontextmanager
async def request(
    address: str, text: str
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ask a site something and hold the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(address).port)
    writer.write(text.replace("\n", "\r\n").encode())
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def got(address: str, path: str) -> bytes:
    async with request(address, f"GET {path} HTTP/1.1\nHost: x\n\n") as (reader, _):
        return await reader.read()


def masked(kind: int, data: bytes) -> bytes:
    """A frame as browsers send it."""
    mask = os.urandom(4)
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return bytes([0x80 | kind]) + size + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


async def frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, size = await reader.readexactly(2)
    if size > 125:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    return first & 15, await reader.readexactly(size)


async def test_the_pages_of_the_box_are_served_to_who_has_the_token() -> None:
    async with novnc.page(FILES, lambda: 1, "") as address:
        reported = urlsplit(address)
        assert (reported.hostname, reported.fragment) == ("127.0.0.1", "")
        page = await got(address, f"{reported.path}?{reported.query}")
        assert page.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
        assert page.endswith(b"\r\n\r\n<html>")
        folder = reported.path.rpartition("/")[0]
        script = await got(address, f"{folder}/core/rfb.js")
        assert b"javascript" in script
        for path in ("/vnc.html", "/", "/x/vnc.html", f"{folder}/../etc/passwd", f"{folder}/none", folder):
            assert (await got(address, path)).startswith(b"HTTP/1.1 404")
        async with request(address, f"POST {reported.path} HTTP/1.1\n\n") as (reader, _):
            assert (await reader.read()).startswith(b"HTTP/1.1 404")
        async with request(address, "nonsense\n\n") as (reader, _):
            assert await reader.read() == b""


async def test_a_websocket_reaches_the_desktop_in_both_directions() -> None:
    rfb = Rfb(300, 200, stripes(300, 200))
    async with serving(rfb) as port, novnc.page(FILES, lambda: port, "") as address:
        path = "/" + parse_qs(urlsplit(address).query)["path"][0]
        async with request(address, f"GET {path} HTTP/1.1\n{UPGRADE}\n") as (reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101")
            assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head  # RFC 6455's example
            assert await frame(reader) == (2, b"RFB 003.008\n")
            writer.write(masked(2, b"RFB 003.008\n") + masked(9, b"there?"))
            received = [await frame(reader) for _ in range(2)]
            assert (10, b"there?") in received
            writer.write(
                masked(2, b"\x01" + b"\x01") + masked(2, b"\x03\x00" + bytes(4) + b"\x01\x2c\x00\xc8")
            )
            size = 0
            while size < 4 * 300 * 200:
                kind, data = await frame(reader)
                assert kind == 2
                size += len(data)
            writer.write(masked(8, b""))
            assert await reader.read() in (b"", b"\x88\x00")


@pytest.mark.parametrize(
    ("origin", "status"), [("http://127.0.0.1:{}", b"101"), ("http://evil.example", b"404"), ("null", b"404")]
)
async def test_a_websocket_is_for_the_page_itself_only(origin: str, status: bytes) -> None:
    async with serving(Rfb(30, 20, stripes(30, 20))) as port, novnc.page(FILES, lambda: port, "") as address:
        opened = urlsplit(address)
        ask = (
            f"GET /{parse_qs(opened.query)['path'][0]} HTTP/1.1\nHost: {opened.netloc}\n"
            f"Origin: {origin.format(opened.port)}\n{UPGRADE}\n"
        )
        async with request(address, ask) as (reader, _):
            assert (await reader.readline()).startswith(b"HTTP/1.1 " + status)


async def test_the_password_is_behind_the_hash_where_no_server_sees_it() -> None:
    async with novnc.page(FILES, lambda: 1, "a&b c") as address:
        assert urlsplit(address).fragment == "password=a%26b%20c"
        assert "a%26b" not in urlsplit(address).query


async def test_the_files_come_from_the_box(place: Place) -> None:
    folder = place.home / "noVNC"
    for name in ("app", "core", "vendor", "tests"):
        (folder / name).mkdir(parents=True)
    (folder / "vnc.html").write_text("<html>mine")
    (folder / "core" / "rfb.js").write_text("x")
    (folder / "tests" / "big").write_text("x")
    files = await novnc.fetch(place)
    assert "core/rfb.js" in files
    assert "tests/big" not in files


@pytest.mark.parametrize(
    ("result", "kind", "words"),
    [
        (CommandResult(3, None, b"Welcome!\n", b""), ToolMissing, "sudo apt install novnc"),
        (CommandResult(0, None, b"MARK\nno tar at all", b""), RemoteError, "did not come over whole"),
        (
            CommandResult(0, None, b"MARK\n" + gzip.compress(packed(1)), b""),
            RemoteError,
            "did not come over whole",
        ),
        (CommandResult(0, None, b"MARK\n" + nested(5000), b""), RemoteError, "did not come over whole"),
        (CommandResult(0, None, b"MARK\n" + packed(65 << 20), b""), RemoteError, "larger than any noVNC"),
    ],
)
async def test_a_box_without_them_says_so(result: CommandResult, kind: type[Exception], words: str) -> None:
    shell = ScriptedShell()

    def answer(command: str) -> CommandResult:
        mark = command.partition("echo ")[2].partition(" ")[0].encode()
        return CommandResult(result.status, None, result.stdout.replace(b"MARK", mark), b"")

    shell.answer = answer
    with pytest.raises(kind, match=words):
        await novnc.fetch(shell)
