"""Real desktops of TigerVNC, started, looked at and stopped through OpenSSH's sshd."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.desktops import Desktops, DesktopSession, DesktopSpec
from gpubox.boxes.desktops.viewing import forward_to
from gpubox.core.errors import RemoteError
from gpubox.rfb import client
from gpubox.rfb.image import Picture
from tests.boxes.desktops.places import mode
from tests.components.desk import Desk
from tests.components.desktops import homestead, share, with_desktops
from tests.components.parts import program
from tests.components.servers import free_port
from tests.hang import LIMIT

RED = (205, 0, 0)
"""What xterm takes for `red3`."""
BLACK = (0, 0, 0)
WINDOW = "exec xterm -bg red3 -fg red3 -geometry 400x200+0+0 -e sleep 600"


async def _red(desktops: Desktops, session: DesktopSession) -> Picture:
    """Wait until the window is there."""
    async with asyncio.timeout(LIMIT):
        while share(picture := await desktops.shot(session), RED) < 0.5:  # noqa: ASYNC110 - one more look
            await asyncio.sleep(0.1)
    return picture


async def test_a_window_on_a_real_desktop_is_in_the_picture(desk: Desk) -> None:
    async def check(desktops: Desktops) -> None:
        session = await desktops.start(DesktopSpec(geometry="800x600", session=WINDOW))
        picture = await _red(desktops, session)
        assert (picture.width, picture.height) == (800, 600)
        (found,) = [one for one in await desktops.list() if one.pid == session.pid]
        assert (found.display, found.ours) == (session.display, True)
        small = picture.scaled(40, 30)
        assert share(small, RED) > 0.5
        assert (await desktops.stop(found)).startswith(f"desktop {session.display} ended")
        assert session.pid not in {one.pid for one in await desktops.list()}

    async with homestead() as home:
        await with_desktops(desk, home, check)
        assert not (home / ".vnc").exists()


async def test_openbox_comes_with_a_terminal(desk: Desk) -> None:
    async def check(desktops: Desktops) -> None:
        session = await desktops.start(DesktopSpec(geometry="800x600"))
        assert session.session == "openbox"
        async with asyncio.timeout(LIMIT):
            while share(await desktops.shot(session), BLACK) > 0.8:  # noqa: ASYNC110 - one more look
                await asyncio.sleep(0.1)

    async with homestead() as home:
        await with_desktops(desk, home, check)


async def test_changes_come_by_themselves_and_stillness_costs_nothing(desk: Desk) -> None:
    async def check(desktops: Desktops) -> None:
        session = await desktops.start(DesktopSpec(geometry="800x600", session="sleep 0.5; " + WINDOW))
        seen = 0
        async with asyncio.timeout(LIMIT):
            async for picture in desktops.watch(session, 0.1):
                seen += 1
                if share(picture, RED) > 0.5:
                    break
        assert seen >= 2

    async with homestead() as home:
        await with_desktops(desk, home, check)


async def test_another_user_of_the_box_cannot_open_a_desktop(desk: Desk) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can try what another user may")
    attempt = "import os, socket, sys; os.setgid(65534); os.setuid(65534); " + (
        "socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    )

    async def check(desktops: Desktops) -> None:
        path = Path((await desktops.start()).path)

        def tried() -> str:
            words = [sys.executable, "-I", "-S", "-c", attempt, str(path)]
            return subprocess.run(words, capture_output=True, text=True, check=False).stderr

        assert "PermissionError" in tried()
        for folder in path.parents:
            if folder != Path("/tmp") and folder != Path("/"):
                folder.chmod(0o755)
        assert mode(path) == "srw-------"
        assert "PermissionError" in tried(), "the socket's own mode holds as well"
        with socket.socket(socket.AF_UNIX) as own:
            own.connect(str(path))

    async with homestead() as home:
        home.chmod(0o755)
        await with_desktops(desk, home, check)


async def test_without_forwarding_to_sockets_a_password_guards_a_loopback_port(desk: Desk) -> None:
    async def check(desktops: Desktops) -> None:
        session = await desktops.start(DesktopSpec(geometry="800x600", session=WINDOW))
        assert (session.path, session.security) == ("", "password")
        await _red(desktops, session)
        async with desktops._open_channels().forward(forward_to(session)) as listening:
            with pytest.raises(RemoteError, match="The VNC server refused"):
                async with client.connect(listening.port, "guessed"):
                    pass
            with pytest.raises(RemoteError, match="wants a password"):
                async with client.connect(listening.port):
                    pass
        with pytest.raises(ConnectionRefusedError), socket.socket() as other:
            other.connect(("127.0.0.2", session.port))  # any address but the loopback it was given

    async with homestead() as home:
        await with_desktops(desk, home, check, extra="AllowStreamLocalForwarding no")


async def test_where_sshd_forwards_nothing_the_words_name_the_setting(desk: Desk) -> None:
    async def check(desktops: Desktops) -> None:
        with pytest.raises(RemoteError, match="AllowTcpForwarding"):
            await desktops.start()

    async with homestead() as home:
        await with_desktops(desk, home, check, extra="DisableForwarding yes")


async def test_a_desktop_that_was_started_by_hand_is_found_and_seen(desk: Desk) -> None:
    async def check(desktops: Desktops) -> None:
        found = [one for one in await desktops.list() if one.port == port]
        assert [(one.server, one.mine, one.ours, one.security) for one in found] == [
            ("TigerVNC", True, False, "password")
        ]
        assert found[0].geometry == "640x480"
        picture = await desktops.shot(found[0])
        assert (picture.width, picture.height) == (640, 480)
        with pytest.raises(RemoteError, match="not started from here"):
            await desktops.restart(found[0])
        await desktops.stop(found[0])

    port = free_port()
    async with homestead() as home, _by_hand(home, port) as server:
        await with_desktops(desk, home, check)
        assert await server.wait() == 0


@asynccontextmanager
async def _by_hand(home: Path, port: int) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a server that asks for a password, as a user would."""
    words = [program("vncpasswd"), "-f"]
    hidden = await asyncio.to_thread(subprocess.run, words, input=b"thirteen\n", capture_output=True)
    secret = home / "secret"
    secret.write_bytes(hidden.stdout)
    ready, reported = os.pipe()
    server = await asyncio.create_subprocess_exec(
        program("Xtigervnc"),
        *("-displayfd", str(reported), "-geometry", "640x480", "-rfbport", str(port), "-localhost"),
        *("-SecurityTypes", "VncAuth", "-PasswordFile", str(secret), "-noreset"),
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "HOME": str(home)},
        pass_fds=[reported],
    )
    os.close(reported)
    try:
        assert await asyncio.to_thread(os.read, ready, 10)
        yield server
    finally:
        os.close(ready)
        if server.returncode is None:
            server.kill()
            await server.wait()


async def test_a_session_that_ends_at_once_is_named_by_the_log(desk: Desk) -> None:
    async def check(desktops: Desktops) -> None:
        with pytest.raises(RemoteError) as caught:
            await desktops.settled(await desktops.start(DesktopSpec(session="xterm -wrong")))
        assert caught.value.title == "The session ended"
        assert "bad command line option" in caught.value.text

    async with homestead() as home:
        await with_desktops(desk, home, check)
