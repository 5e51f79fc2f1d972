"""Displays and cookies of this machine, and the programs that were run before."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from gpubox.boxes.x11.xauth import address, check
from gpubox.common.x11 import DisplayAddress
from gpubox.config.settings import HistorySettings
from gpubox.core.channels import Display
from gpubox.core.errors import GpuBoxError, RemoteError, ToolMissing
from gpubox.store.store import Store


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
def test_what_is_no_display_is_reported(name: str) -> None:
    with pytest.raises(GpuBoxError, match="Not a display"):
        address(name)


async def test_a_display_that_hangs_or_hangs_up_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr("gpubox.common.x11.FIRST_PORT", port)
    async with server:
        with pytest.raises(ToolMissing, match="No display here"):
            await check(Display("127.0.0.1:0"))
        hang_up = False
        monkeypatch.setattr("gpubox.boxes.x11.xauth._LIMIT", 0.1)
        with pytest.raises(RemoteError, match="The display hangs"):
            await check(Display("127.0.0.1:0"))


async def test_programs_that_were_run_are_preserved_for_each_box(tmp_path: Path) -> None:
    with Store(tmp_path / "history", HistorySettings()) as store:
        for command in ("xterm", "xclock", "xterm"):
            await store.state.add_program("attic", command)
        await store.state.add_program("lab", "xeyes")
        for number in range(60):
            await store.state.add_program("lab", f"program {number}")
    with Store(tmp_path / "history", HistorySettings()) as store:
        assert await store.state.programs("attic") == ["xterm", "xclock"]
        saved = await store.state.programs("lab")
        assert (saved[0], len(saved)) == ("program 59", 50)
        assert await store.state.programs("other") == []
