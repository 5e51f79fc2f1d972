"""Terminals and windows through OpenSSH's sshd: sizes, languages, refusals, and a display that sees them."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.x11.programs import Windows
from gpubox.core.channels import Channels, Display, Terminal, TerminalSpec
from gpubox.core.errors import GpuBoxError, RemoteError, ToolMissing
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.shell import SshShell
from tests.boxes.scripted import context
from tests.components.desk import Desk, working
from tests.components.parts import program
from tests.components.servers import sshd
from tests.hang import LIMIT

SPEC = TerminalSpec(97, 31, "xterm", {"LANG": "C.UTF-8", "LC_TIME": "POSIX", "COLORTERM": "truecolor"})


async def over(
    desk: Desk, folder: Path, check: Callable[[SshShell, SshChannels], Awaitable[None]], extra: str = ""
) -> None:
    """Do a check with the channels of a link to a real sshd."""

    async def work(shell: Shell) -> None:
        assert isinstance(shell, SshShell)
        await check(shell, SshChannels(shell))

    # sshd writes a cookie for each program with windows into the home folder, and waits 20 s for a lock that
    # another test holds there, or that one which was killed left behind.
    home = folder / "home"
    home.mkdir()
    async with (
        sshd(folder / "box", desk.public, extra=extra, home=home) as server,
        working(desk.link(server), work),
    ):
        pass


async def drawn(terminal: Terminal, *words: bytes) -> bytes:
    """Read until all words were drawn."""
    seen = b""
    async with asyncio.timeout(LIMIT):
        while not all(word in seen for word in words):
            data = await terminal.read()
            assert data, seen
            seen += data
    return seen


async def rest(terminal: Terminal) -> bytes:
    """Read to the end."""
    seen = b""
    async with asyncio.timeout(LIMIT):
        while data := await terminal.read():
            seen += data
    return seen


async def test_a_terminal_has_size_kind_language_and_keys(desk: Desk, tmp_path: Path) -> None:
    async def check(_: SshShell, channels: SshChannels) -> None:
        command = (
            "echo $TERM $LANG $LC_TIME $COLORTERM; stty size; read line; stty size; echo got $line; exit 5"
        )
        async with channels.terminal(command, SPEC) as terminal:
            await drawn(terminal, b"xterm C.UTF-8 POSIX truecolor", b"31 97")
            terminal.resize(120, 40)
            await terminal.write(b"words\r")
            assert b"40 120\r\ngot words" in await rest(terminal)
            assert await terminal.wait() == 5
        async with channels.terminal("kill -KILL $$", SPEC) as terminal:
            await rest(terminal)
            assert await terminal.wait() == 137

    await over(desk, tmp_path, check, "AcceptEnv LANG LC_* COLORTERM")


async def test_a_shell_and_the_panel_need_two_sessions(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: SshShell, channels: SshChannels) -> None:
        async with shell.stream("cat") as channel, channels.terminal(None, SPEC) as terminal:
            await terminal.write(b"echo a$((40+2))b\r")
            await drawn(terminal, b"a42b")
            await channel.write(b"tick\n")
            assert await channel.read_line(100) == b"tick\n"

    await over(desk, tmp_path, check, "MaxSessions 2")


async def test_pipes_keep_stdout_and_stderr_apart(desk: Desk, tmp_path: Path) -> None:
    async def check(_: SshShell, channels: SshChannels) -> None:
        async with channels.pipes("cat; echo oops >&2; exit 4") as pipes, asyncio.timeout(LIMIT):
            sending = asyncio.ensure_future(pipes.write(b"x" * 5_000_000))
            out, errors = 0, b""
            while True:
                is_error, data = await pipes.read()
                if not data:
                    break
                out, errors = (out, errors + data) if is_error else (out + len(data), errors)
                if out == 5_000_000 and not sending.done():
                    await sending
                if out == 5_000_000 and not errors:
                    pipes.end()
            assert (out, errors, await pipes.wait()) == (5_000_000, b"oops\n", 4)

    await over(desk, tmp_path, check)


async def test_a_box_that_gives_no_terminal_says_so_and_loses_no_session(desk: Desk, tmp_path: Path) -> None:
    async def check(shell: SshShell, channels: SshChannels) -> None:
        for _ in range(4):
            with pytest.raises(RemoteError) as raised:
                async with channels.terminal(None, SPEC):
                    pass
            assert raised.value.title == "No terminal"
            assert "PermitTTY" in raised.value.hint
        assert (await shell.run("echo still")).stdout == b"still\n"

    await over(desk, tmp_path, check, "PermitTTY no\nMaxSessions 2")


@asynccontextmanager
async def screen(folder: Path) -> AsyncGenerator[Display]:
    """Run an X server that only a cookie opens."""
    file = folder / "Xauthority"
    reading, writing = os.pipe()
    program("xauth")  # sshd needs it
    words = (b"", b"", b"MIT-MAGIC-COOKIE-1", os.urandom(16))
    file.write_bytes(b"\xff\xff" + b"".join(struct.pack(">H", len(word)) + word for word in words))
    process = await asyncio.create_subprocess_exec(
        # When its last window's program leaves, an X server begins again and drops who comes in meanwhile.
        program("Xvfb"), "-noreset", "-displayfd", str(writing), "-screen", "0", "640x480x24",
        "-nolisten", "tcp", "-auth", str(file), pass_fds=[writing], stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    try:
        number = (await asyncio.to_thread(os.read, reading, 20)).decode().strip()
        assert number.isdigit(), "Xvfb did not start"
        yield Display(f":{number}", str(file))
    finally:
        os.close(reading)
        process.terminate()
        await process.wait()


async def windows(display: Display) -> str:
    """Return the windows that an X server shows."""
    seeing = await asyncio.create_subprocess_exec(
        program("xwininfo"), "-root", "-tree",
        env={**os.environ, "DISPLAY": display.name, "XAUTHORITY": display.authority},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    return (await seeing.communicate())[0].decode()


async def shows(display: Display, name: str, *, there: bool = True) -> None:
    async with asyncio.timeout(LIMIT):
        while (f'"{name}"' in await windows(display)) is not there:  # noqa: ASYNC110 - X tells nobody
            await asyncio.sleep(0.02)


def look(monkeypatch: pytest.MonkeyPatch, display: Display) -> None:
    """Let a display be the one of this machine."""
    monkeypatch.setenv("DISPLAY", display.name)
    monkeypatch.setenv("XAUTHORITY", display.authority)


async def test_windows_of_the_box_open_here_and_close(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = program("xeyes")
    async with screen(tmp_path) as display:
        look(monkeypatch, display)

        async def check(_: SshShell, channels: SshChannels) -> None:
            opened = Windows(context("box", channels=Feed[Channels | None](channels)))
            async with opened.started(eyes):
                await shows(display, "xeyes")
                async with opened.started("xclock & xlogo; echo done"):
                    await shows(display, "xclock")
                    await shows(display, "xlogo")
                await shows(display, "xclock", there=False)
                await shows(display, "xlogo", there=False)
                assert '"xeyes"' in await windows(display)
            await shows(display, "xeyes", there=False)
            assert await opened.past() == ["xclock & xlogo; echo done", eyes]

        await over(desk, tmp_path, check, "X11Forwarding yes\nX11DisplayOffset 50")


async def failed(channels: SshChannels, command: str = "xeyes") -> GpuBoxError:
    with pytest.raises(GpuBoxError) as raised:
        async with asyncio.timeout(LIMIT):
            await Windows(context("box", channels=Feed[Channels | None](channels))).run(command)
    return raised.value


async def test_a_program_that_is_not_there_is_reported_in_its_own_words(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen(tmp_path) as display:
        look(monkeypatch, display)

        async def check(_: SshShell, channels: SshChannels) -> None:
            error = await failed(channels, "no-such-program --now")
            assert error.title == "no-such-program ended at once"
            assert "not found" in error.text
            assert "installed" in error.hint

        await over(desk, tmp_path, check, "X11Forwarding yes\nX11DisplayOffset 50")


async def test_a_box_that_cannot_keep_the_key_to_the_display_is_reported(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen(tmp_path) as display:
        look(monkeypatch, display)

        async def check(shell: SshShell, channels: SshChannels) -> None:
            assert (await shell.run("mkdir .Xauthority")).ok
            error = await failed(channels, program("xeyes"))
            assert error.title == "No window could open"
            assert "open display" in error.text
            assert "~/.Xauthority" in error.hint

        await over(desk, tmp_path, check, "X11Forwarding yes\nX11DisplayOffset 50")


async def test_sshd_without_x11_and_a_box_without_xauth_are_distinguished(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with screen(tmp_path) as display:
        look(monkeypatch, display)

        async def check(shell: SshShell, channels: SshChannels) -> None:
            for _ in range(4):
                error = await failed(channels)
                assert error.title == "X11 is not forwarded"
                assert "X11Forwarding" in error.hint
            monkeypatch.setattr("gpubox.ssh.x11._FIND_XAUTH", "false")
            error = await failed(channels)
            assert isinstance(error, ToolMissing)
            assert "apt install xauth" in error.hint
            assert (await shell.run("echo still")).ok, "what was refused holds no session"

        await over(desk, tmp_path, check, "X11Forwarding no\nMaxSessions 2")


async def test_a_display_that_refuses_hangs_or_is_not_there_is_reported_before_anything_is_started(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check(_: SshShell, channels: SshChannels) -> None:
        async with screen(tmp_path) as display:
            other = tmp_path / "nothing"
            look(monkeypatch, Display(display.name, str(other)))
            error = await failed(channels)
            assert error.title == "The display refuses"
            assert str(other) in error.text
        look(monkeypatch, display)
        assert (await failed(channels)).title == "No display here"
        monkeypatch.setenv("DISPLAY", "nonsense")
        assert (await failed(channels)).title == "Not a display"
        monkeypatch.delenv("DISPLAY")
        error = await failed(channels)
        assert isinstance(error, ToolMissing)
        assert "DISPLAY is not set" in error.text

    await over(desk, tmp_path, check)
