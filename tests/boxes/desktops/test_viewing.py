"""A desktop in a viewer: its end is noticed, the session stays, and the way comes back after a loss."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gpubox.boxes import browser
from gpubox.boxes.desktops import novnc
from gpubox.boxes.desktops.viewing import Viewing
from gpubox.boxes.desktops.vnc_viewers import find
from gpubox.core.channels import Channels
from gpubox.core.errors import ConfigError, RemoteError, ToolMissing
from gpubox.rfb import auth, client
from tests.boxes.desktops.places import LocalChannels, Place, mode
from tests.boxes.scripted import until
from tests.hang import LIMIT

Begin = Callable[[Viewing, Channels], Awaitable[None]]
LOOKS = f"""#!{sys.executable}
import pathlib, socket, sys, time
here = pathlib.Path(sys.argv[0]).parent
(here / "words").write_text(repr(sys.argv[1:]))
host, port = sys.argv[-1].split("::")
made = socket.create_connection((host, int(port)))
(here / "heard").write_bytes(made.recv(12))
while not (here / "leave").exists(): time.sleep(0.01)
"""


def words(place: Place) -> list[str]:
    """What the viewer was given."""
    text = (place.programs / "words").read_text()
    return [part.strip("'") for part in text.strip("[]").split(", ")]


async def test_the_end_of_a_viewer_is_noticed_and_the_session_stays(place: Place) -> None:
    place.program("xtigervncviewer", LOOKS)
    desktops = place.desktops()
    session = await desktops.start()
    async with await desktops.open(session) as viewing:
        assert viewing.viewer is not None
        assert viewing.viewer.name == "TigerVNC"
        waiting = asyncio.ensure_future(viewing.wait())
        await until(lambda: (place.programs / "heard").exists())
        assert (place.programs / "heard").read_bytes() == b"RFB 003.008\n"
        assert words(place) == ["-Shared", viewing.address]
        assert not waiting.done()
        (place.programs / "leave").touch()
        await asyncio.wait_for(waiting, 30)
    await desktops.check(session)
    assert [one.pid for one in await place.here(desktops)] == [session.pid]


async def test_leaving_early_ends_the_viewer(place: Place) -> None:
    place.program("xtigervncviewer", LOOKS)
    desktops = place.desktops()
    async with await desktops.open(await desktops.start()) as viewing:
        await until(lambda: (place.programs / "heard").exists())
        port = viewing.port
    assert not [line for line in place.running().values() if "xtigervncviewer" in line]
    assert not await client.answers(port)


async def test_a_viewer_that_cannot_show_anything_is_reported_in_its_words(place: Place) -> None:
    place.program("xtigervncviewer", "#!/bin/sh\necho Can not open display: :9 >&2\nexit 1\n")
    desktops = place.desktops()
    async with await desktops.open(await desktops.start()) as viewing:
        with pytest.raises(ToolMissing, match="TigerVNC: Can not open display: :9"):
            await viewing.wait()


async def test_a_password_reaches_the_viewer_in_a_private_file(place: Place) -> None:
    copy = "import shutil; shutil.copy2(sys.argv[2], here / 'secret')\n"
    place.program("xtigervncviewer", LOOKS.replace("host, port", copy + "host, port"))
    desktops = place.desktops(LocalChannels(sockets=False))
    session = await desktops.start()
    async with await desktops.open(session) as viewing:
        await until(lambda: (place.programs / "heard").exists())
        assert words(place)[0] == "-passwd"
        assert viewing.password not in " ".join(words(place))
        assert mode(place.programs / "secret") == "-rw-------"
        assert auth.reveal((place.programs / "secret").read_bytes()) == viewing.password
        async with client.connect(viewing.port, viewing.password) as screen:
            assert screen.width


async def test_without_a_viewer_the_address_is_ready_until_it_is_left(place: Place) -> None:
    desktops = place.desktops(viewer="none")
    async with await desktops.open(await desktops.start()) as viewing:
        assert viewing.viewer is None
        assert viewing.address == f"127.0.0.1::{viewing.port}"
        assert await client.answers(viewing.port)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(viewing.wait(), 0.1)
    assert not await client.answers(viewing.port)


async def test_after_a_loss_the_way_comes_back_on_the_same_port(place: Place) -> None:
    desktops = place.desktops(viewer="none")
    viewing: Viewing = await desktops.open(await desktops.start())
    waiting = asyncio.ensure_future(viewing.wait())
    port = viewing.port
    channels = desktops._context.channels
    channels.put(None)
    again = place.desktops()._context.channels.value
    channels.put(again)
    async with asyncio.timeout(LIMIT):
        while viewing._through is not again or not await client.answers(port):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert viewing.port == port
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not await client.answers(port)


def test_the_viewer_of_the_settings_is_taken(tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    place = {"PATH": str(tmp_path)}
    found = find("mine --at {host}:{port}", place)
    assert found is not None
    assert found.words(5) == [str(own), "--at", "127.0.0.1:5"]
    found = find("mine --full", place)
    assert found is not None
    assert found.words(5) == [str(own), "--full", "127.0.0.1::5"]
    with pytest.raises(ToolMissing, match=r"names other, which is not installed here"):
        find("other", place)
    with pytest.raises(ConfigError, match=r"desktop\.viewer cannot be read"):
        find("'", place)


@pytest.mark.parametrize(
    ("program", "says", "name", "reported"),
    [
        ("vncviewer", "TigerVNC Viewer 64-bit v1.12.0", "TigerVNC", ["-Shared", "127.0.0.1::5"]),
        ("vncviewer", "TurboVNC Viewer v3.1", "TurboVNC", ["-shared", "127.0.0.1::5"]),
        ("vncviewer", "RealVNC Viewer 7", "RealVNC", ["-WarnUnencrypted=0", "-Shared=1", "127.0.0.1::5"]),
        ("vncviewer", "something", "vncviewer", ["127.0.0.1::5"]),
        ("remmina", "", "Remmina", ["-c", "vnc://127.0.0.1:5"]),
    ],
)
def test_viewers_are_distinguished_by_what_they_say(
    tmp_path: Path, program: str, says: str, name: str, reported: list[str]
) -> None:
    made = tmp_path / program
    made.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    made.chmod(0o755)
    found = find("auto", {"PATH": str(tmp_path), "DISPLAY": ":0"}, "linux")
    assert found is not None
    assert (found.name, found.words(5)) == (name, [str(made), *reported])


def test_without_a_screen_or_a_viewer_there_is_none(tmp_path: Path) -> None:
    assert find("auto", {"PATH": str(tmp_path), "DISPLAY": ":0"}, "linux") is None
    assert find("auto", {"PATH": str(tmp_path)}, "linux") is None
    assert find("none", {"PATH": str(tmp_path), "DISPLAY": ":0"}, "linux") is None


def test_a_mac_shows_a_desktop_by_itself(tmp_path: Path) -> None:
    found = find("auto", {"PATH": str(tmp_path)}, "darwin")
    assert found is not None
    assert found.words(5) == ["open", "vnc://127.0.0.1:5"]
    assert found.leaves


async def test_a_viewer_whose_command_stays_with_its_window_ends_with_it(place: Place) -> None:
    place.program("remmina", LOOKS.replace('split("::")', 'removeprefix("vnc://").split(":")'))
    desktops = place.desktops()
    async with await desktops.open(await desktops.start()) as viewing:
        assert viewing.viewer is not None
        assert viewing.viewer.leaves
        await until(lambda: (place.programs / "heard").exists())
        (place.programs / "leave").touch()
        await asyncio.wait_for(viewing.wait(), 30)


async def test_a_desktop_that_is_gone_is_not_opened(place: Place) -> None:
    desktops = place.desktops(viewer="none")
    session = await desktops.start()
    await desktops.stop(session)
    with pytest.raises(RemoteError, match="No desktop answers"):
        await desktops.shot(session)


async def test_a_page_that_cannot_be_shown_leaves_nothing_open(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewings: list[Viewing] = []

    async def begun(viewing: Viewing, channels: Channels, begin: Begin = Viewing.begin) -> None:
        viewings.append(viewing)
        await begin(viewing, channels)

    async def fetch(shell: object) -> dict[str, bytes]:
        return {"vnc.html": b""}

    async def show(*_: object, **__: object) -> bool:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(novnc, "fetch", fetch)
    monkeypatch.setattr(browser, "show", show)
    monkeypatch.setattr(Viewing, "begin", begun)
    desktops = place.desktops(viewer="browser")
    session = await desktops.start()
    with pytest.raises(RuntimeError):
        await desktops.open(session)
    assert viewings[0].port
    assert not await client.answers(viewings[0].port)


async def test_a_browser_gets_the_page_of_the_desktop(place: Place) -> None:
    folder = place.home / "noVNC"
    for name in ("app", "core", "vendor"):
        (folder / name).mkdir(parents=True)
    (folder / "vnc.html").write_text("<html>")
    place.program("browse", f'#!/bin/sh\ncat "${{1#file://}}" >{place.home}/shown\n')
    desktops = place.desktops(viewer="browser")
    desktops._environment = {**desktops._environment, "BROWSER": str(place.programs / "browse")}
    async with await desktops.open(await desktops.start()) as viewing:
        assert viewing.viewer is None
        assert viewing.page.startswith("http://127.0.0.1:")
        shown = place.home / "shown"
        await until(lambda: shown.exists() and viewing.page.replace("&", "&amp;") in shown.read_text())
