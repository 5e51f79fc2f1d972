"""Desktops beyond a server and a window: a machine's own screen, a full session, a real viewer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gpubox.boxes.desktops import Desktops, DesktopSession, DesktopSpec
from gpubox.core.errors import RemoteError
from gpubox.rfb.client import NoGreeting
from tests.components.desk import Desk
from tests.components.desktops import homestead, lives, running_in, share, with_desktops
from tests.components.parts import program
from tests.components.screens import running, screen
from tests.components.servers import free_port
from tests.hang import LIMIT

RED = (205, 0, 0)
"""What xterm takes for `red3`."""
WINDOW = ("-bg", "red3", "-fg", "red3", "-geometry", "400x200+0+0", "-e", "sleep", "600")


@asynccontextmanager
async def shown(home: Path, words: Callable[[str], Sequence[str]]) -> AsyncGenerator[str]:
    """A screen with a red window on it, and a server that shows it; yields the display."""
    async with (
        screen(home) as display,
        running((program("xterm"), *WINDOW), home, {"DISPLAY": display}),
        running(words(display), home, {"DISPLAY": display}),
    ):
        yield display


async def found(desktops: Desktops, port: int) -> DesktopSession:
    """The desktop behind a port, once it is there."""
    async with asyncio.timeout(LIMIT):
        while True:
            for one in await desktops.list():
                if one.port == port:
                    return one
            await asyncio.sleep(0.1)


async def red(desktops: Desktops, session: DesktopSession) -> None:
    """Wait until the window is in the picture."""
    async with asyncio.timeout(LIMIT):
        while True:
            try:
                if share(await desktops.shot(session), RED) > 0.5:
                    return
            except NoGreeting:
                pass  # x11vnc closes its first socket once more while it starts
            except RemoteError as error:
                if "refused" not in str(error).lower():
                    raise  # it does not listen yet: anything else is a fault
            await asyncio.sleep(0.1)


async def check_screen(
    desk: Desk, name: str, words: Callable[[int, str], Callable[[str], Sequence[str]]]
) -> None:
    """A machine's own screen is found with its display and password, seen, and not stopped as a session."""
    port = free_port()

    async def check(desktops: Desktops) -> None:
        session = await found(desktops, port)
        reported = (session.server, session.mine, session.ours, session.physical, session.security)
        assert reported == (name, True, False, True, "password")
        assert session.display == display
        await red(desktops, session)
        with pytest.raises(RemoteError, match="not started from here"):
            await desktops.restart(session)
        await desktops.stop(session)
        assert port not in {one.port for one in await desktops.list()}

    async with homestead() as home:
        words_of = [program("vncpasswd"), "-f"]
        hidden = await asyncio.to_thread(subprocess.run, words_of, input=b"thirteen\n", capture_output=True)
        (home / "secret").write_bytes(hidden.stdout)
        async with shown(home, words(port, str(home / "secret"))) as display:
            await with_desktops(desk, home, check)


async def test_x11vnc_is_found_and_seen(desk: Desk) -> None:
    x11vnc = program("x11vnc")
    await check_screen(
        desk,
        "x11vnc",
        lambda port, secret: (
            lambda display: (
                *(
                    x11vnc,
                    "-display",
                    display,
                    "-rfbport",
                    str(port),
                    "-localhost",
                    "-forever",
                    "-rfbauth",
                    secret,
                ),
                *("-noipv6", "-noxdamage", "-quiet"),
            )
        ),
    )


async def test_x0vncserver_is_found_and_seen(desk: Desk) -> None:
    server = program("X0tigervnc")
    await check_screen(
        desk,
        "x0vncserver",
        lambda port, secret: (
            lambda display: (
                *(server, "-display", display, "-rfbport", str(port), "-localhost"),
                *("-SecurityTypes", "VncAuth", "-PasswordFile", secret),
            )
        ),
    )


async def test_xfce_comes_up_and_goes_with_its_helpers(desk: Desk) -> None:
    program("xfce4-session")
    whole = {"xfce4-session", "xfwm4", "xfdesktop", "xfce4-panel"}

    async def check(desktops: Desktops) -> None:
        session = await desktops.start(DesktopSpec(geometry="1024x768", session="xfce4"))
        await settled(home, lambda names: whole <= names)
        await desktops.check(session)
        picture = await desktops.shot(session)
        assert (picture.width, picture.height) == (1024, 768)
        await desktops.stop(session)
        await settled(home, lambda names: not names & {*whole, "Xtigervnc", "dbus-daemon", "xfconfd"})

    async with homestead() as home:
        await with_desktops(desk, home, check)


async def settled(home: Path, ready: Callable[[set[str]], bool]) -> None:
    """Wait for a state of the programs that run in a home; fails with their names."""
    end = time.monotonic() + LIMIT / 2  # the session itself has LIMIT
    while not ready(names := set(running_in(home).values())):
        assert time.monotonic() < end, f"these run: {sorted(names)}"
        await asyncio.sleep(0.2)


async def test_the_end_of_a_real_viewer_is_noticed_and_the_session_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = program("xtigervncviewer")

    async def check(desktops: Desktops) -> None:
        session = await desktops.start(DesktopSpec(geometry="400x300"))
        async with await desktops.open(session, viewer=viewer) as viewing:
            assert viewing.viewer is not None
            assert viewing.viewer.name == "TigerVNC"
            ended = asyncio.ensure_future(viewing.wait())
            listening = viewing._listening
            assert listening is not None
            async with asyncio.timeout(LIMIT):
                while listening.traffic.received < 4096:
                    assert not ended.done()
                    await asyncio.sleep(0.1)
            close()
            await asyncio.wait_for(ended, 20)
        await desktops.check(session)
        await desktops.shot(session)

    def close() -> None:
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(path.joinpath("exe").readlink()).endswith("/xtigervncviewer") and lives(path, home):
                    os.kill(int(path.name), signal.SIGTERM)

    async with homestead() as home, screen(home, size="800x600") as display:
        monkeypatch.setenv("DISPLAY", display)
        monkeypatch.setenv("HOME", str(home))
        await with_desktops(desk, home, check)
