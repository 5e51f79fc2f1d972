"""Real desktops on a box whose home is a folder of the test."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

from gpubox.boxes.desktops import Desktops
from gpubox.config import settings
from gpubox.core.channels import Channels
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.rfb.image import Picture
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.shell import SshShell
from tests.boxes.scripted import context
from tests.components.desk import Desk, working
from tests.components.parts import program
from tests.components.servers import sshd
from tests.hang import LIMIT

ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "DISPLAY": ""}


def desktops_of(shell: Shell, **expected: str) -> Desktops:
    """The desktops behind an open link."""
    assert isinstance(shell, SshShell)
    ways: Feed[Channels | None] = Feed(cast("Channels", SshChannels(shell)))
    chosen = settings.DesktopSettings(**{"session": "openbox", **expected})  # pyright: ignore[reportArgumentType]
    box = context("The box", shell=Feed(shell), channels=ways, settings=settings.Settings(desktop=chosen))
    return Desktops(box, environment=ENVIRONMENT)


@asynccontextmanager
async def homestead() -> AsyncGenerator[Path]:
    """A home that others of this machine may enter, as homes often are; what runs in it is ended.

    It is short: a socket's path may have 107 bytes.
    """
    for name in ("Xtigervnc", "openbox", "xterm"):
        program(name)
    home = Path(tempfile.mkdtemp(prefix="gpubox-home-"))
    try:
        yield home
    finally:
        await _clear(home)
        shutil.rmtree(home)


async def _clear(home: Path) -> None:
    async with asyncio.timeout(LIMIT):
        while left := [pid for pid in running_in(home) if pid != os.getpid()]:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.02)


def running_in(home: Path) -> dict[int, str]:
    """The programs that have this home in their environment: names by process id."""
    found: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if lives(path, home):
                found[int(path.name)] = (path / "comm").read_text().strip()
    return found


def lives(process: Path, home: Path) -> bool:
    """Whether a process has this home in its environment; raises OSError when it is gone."""
    return f"HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0")


async def with_desktops(
    desk: Desk, home: Path, check: Callable[[Desktops], Awaitable[None]], *, extra: str = "", **expected: str
) -> None:
    """Do something with the desktops of a box behind OpenSSH's sshd."""

    async def work(shell: Shell) -> None:
        await check(desktops_of(shell, **expected))

    async with (
        sshd(desk.folder / "box", desk.public, extra=extra, home=home) as server,
        working(desk.link(server), work),
    ):
        pass


def share(picture: Picture, color: tuple[int, int, int]) -> float:
    """How much of a picture has a color."""
    pixels = zip(picture.rgb[0::3], picture.rgb[1::3], picture.rgb[2::3], strict=True)
    return sum(pixel == color for pixel in pixels) / (picture.width * picture.height)
