"""Displays and cookies of this machine, and the programs that were run before."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from gpubox.boxes.x11.xauth import DisplayAddress, address, check, cookie
from gpubox.config.settings import HistorySettings
from gpubox.core.channels import Display
from gpubox.core.errors import GpuBoxError, RemoteError, ToolMissing
from gpubox.store.store import Store

NAME = b"MIT-MAGIC-COOKIE-1"


def entry(family: int, host: bytes, number: bytes, value: bytes) -> bytes:
    """Return an entry of a file of cookies."""
    words = (host, number, NAME, value)
    return struct.pack(">H", family) + b"".join(struct.pack(">H", len(word)) + word for word in words)


@pytest.mark.parametrize(
    ("name", "where"),
    [
        (":0", DisplayAddress("", 0)),
        (":12.3", DisplayAddress("", 12)),
        ("unix:1", DisplayAddress("", 1)),
        ("far.example:10.0", DisplayAddress("far.example", 10)),
        ("[::1]:2", DisplayAddress("::1", 2)),
        ("/tmp/launch/org.xquartz:0", DisplayAddress("/tmp/launch/org.xquartz", 0)),
    ],
)
def test_a_display_is_found_by_its_name(name: str, where: DisplayAddress) -> None:
    assert address(name) == where


@pytest.mark.parametrize("name", ["", "0", ":", ":x", "host:\x1b[2J"])
def test_what_is_no_display_is_told(name: str) -> None:
    with pytest.raises(GpuBoxError, match="Not a display"):
        address(name)


def test_the_cookie_of_this_machine_and_number_is_taken() -> None:
    here = socket.gethostname().encode()
    data = entry(256, b"other", b"1", b"a") + entry(0, b"\x7f\0\0\1", b"1", b"b")
    data += entry(256, here, b"2", b"c") + entry(256, here, b"1", b"d") + entry(65535, b"", b"", b"e")
    assert cookie(data, DisplayAddress("", 1)) == (NAME, b"d")
    assert cookie(data, DisplayAddress("", 2)) == (NAME, b"c")
    assert cookie(data, DisplayAddress("", 3)) == (NAME, b"e")


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xff\xff\xff", entry(65535, b"", b"", b"e")[:-3], b"\0" * 99]
)
def test_a_broken_file_of_cookies_harms_nothing(data: bytes) -> None:
    assert cookie(data, DisplayAddress("", 1)) == (b"", b"")


async def test_a_display_that_hangs_or_hangs_up_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hang_up = True

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not hang_up:
            with suppress(OSError):
                await reader.read()  # to the caller's end
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    monkeypatch.setattr("gpubox.boxes.x11.xauth._FIRST_PORT", port)
    async with server:
        with pytest.raises(ToolMissing, match="No display here"):
            await check(Display("127.0.0.1:0"))
        hang_up = False
        monkeypatch.setattr("gpubox.boxes.x11.xauth._LIMIT", 0.1)
        with pytest.raises(RemoteError, match="The display hangs"):
            await check(Display("127.0.0.1:0"))


async def test_programs_that_were_run_are_kept_for_each_box(tmp_path: Path) -> None:
    with Store(tmp_path / "history", HistorySettings()) as store:
        for command in ("xterm", "xclock", "xterm"):
            await store.state.add_program("attic", command)
        await store.state.add_program("lab", "xeyes")
        for number in range(60):
            await store.state.add_program("lab", f"program {number}")
    with Store(tmp_path / "history", HistorySettings()) as store:
        assert await store.state.programs("attic") == ["xterm", "xclock"]
        kept = await store.state.programs("lab")
        assert (kept[0], len(kept)) == ("program 59", 50)
        assert await store.state.programs("other") == []
