"""Shells of a box in a terminal of their own, as a user opens, uses and loses them."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.ssh.server import serve
from tests.components.parts import program
from tests.ssh.fakes import Folder
from tests.ssh.wire import Wire, wire
from tests.terminal import Terminal, opened
from tests.test_whole_program import ROOT, clean, demo

LEAVE = "\r~."


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@asynccontextmanager
async def distant(folder: Folder, *words: str) -> AsyncGenerator[tuple[Terminal, Wire]]:
    """Run the program on a box at the end of a wire; `{box}` in the words is its name."""
    box_home, home = folder.path / "box", folder.path / "home"
    for each in (box_home, home):
        each.mkdir()
    (box_home / ".profile").write_text("PS1='box> '\n")
    serving = serve(
        authorized_key=folder.login_key.export_public_key().decode(),
        host_key=folder.host_key.export_private_key().decode(),
        home=box_home,
        environment={},
    )
    async with serving as server, wire(server.port) as way:
        folder.trust(way.port)
        environment = {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT / 'tui'}:{ROOT}",
            "GPUBOX_TEST_FOLDER": str(folder.path),
        }
        command = [sys.executable, "-m", "tests.over_ssh"]
        command += [word.format(box=f"ada@127.0.0.1:{way.port}") for word in words]
        async with opened(command, environment) as terminal:
            yield terminal, way


def sane(terminal: Terminal) -> bool:
    """Whether what vi switches on, and the panel does not use, is off."""
    return not any(terminal.modes.get(mode) for mode in (1, 12, 47, 1002, 1047))


async def test_a_shell_takes_the_place_of_the_panel_and_gives_it_back(tmp_path: Path) -> None:
    async with demo(tmp_path) as terminal:
        await terminal.shows("GTX 1070", "live", "s Shell")
        terminal.press("s")
        await terminal.shows("Enter ~ . comes back")
        terminal.press("stty size; echo $TERM-$COLORTERM-$LANG\r")
        await terminal.shows("40 120", "xterm-256color-truecolor-C.UTF-8")
        terminal.resize(100, 30)
        terminal.press('while [ "$(stty size)" != 30\\ 100 ]; do sleep 0.1; done; clear; stty size\r')
        await terminal.shows("30 100")
        for status in (0, 3):
            terminal.press(f"exit {status}\r")
            await terminal.hides("comes back")
            await terminal.shows("GTX 1070", "s Shell")
            assert "ended at once" not in terminal.text, "a person who leaves needs no word about it"
            terminal.press("s")
            await terminal.shows("Enter ~ . comes back")
        terminal.press("exit\r")
        await terminal.hides("comes back")
        terminal.press("q")
        assert await terminal.ended() == 0
        await terminal.until(lambda: clean(terminal), "clean terminal")
        assert "Traceback" not in terminal.text


async def test_a_link_that_dies_under_vi_leaves_a_clean_terminal_and_the_reason(folder: Folder) -> None:
    vi = program("vi")
    async with distant(folder, "{box}") as (terminal, way):
        await terminal.shows("live", "s Shell")
        terminal.press("s")
        await terminal.shows("Enter ~ . comes back")
        terminal.press(f"{vi} -u NONE a_file\r")
        await terminal.shows("a_file", "~\n~\n~")
        assert terminal.modes.get(1), "vi wants its own keys"
        way.cut()
        await terminal.shows("Link lost", "Processes")
        assert sane(terminal)
        await terminal.shows("live", "s Shell")  # and the link is back
        terminal.press("q")
        assert await terminal.ended() == 0
        await terminal.until(lambda: clean(terminal), "clean terminal")
        assert sane(terminal)


async def test_a_box_that_hangs_is_left_by_its_keys(folder: Folder) -> None:
    async with distant(folder, "--set", "ssh.keepalive=60", "{box}") as (terminal, way):
        await terminal.shows("live", "s Shell")
        terminal.press("s")
        await terminal.shows("Enter ~ . comes back")
        terminal.press("echo the$((1 + 1))re\r")
        await terminal.shows("the2re")
        way.freeze()
        terminal.press("nobody answers" + LEAVE)
        await terminal.hides("comes back")
        way.thaw()
        await terminal.shows("Processes")
        terminal.press("q")
        assert await terminal.ended() == 0


async def test_the_window_may_close_while_a_shell_is_open(tmp_path: Path) -> None:
    async with demo(tmp_path) as terminal:
        await terminal.shows("live", "s Shell")
        terminal.press("s")
        await terminal.shows("Enter ~ . comes back")
        terminal.close()
        await terminal.ended()


async def test_a_window_that_closes_while_the_machine_is_busy_ends_the_panel_too(tmp_path: Path) -> None:
    async with demo(tmp_path) as terminal:
        await terminal.shows("live", "s Shell")
        terminal.press("s")
        await terminal.shows("Enter ~ . comes back")
        # It sees the hangup and the end of the terminal together: the kernel sends SIGCONT with SIGHUP.
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.close()
        await terminal.ended()


async def test_a_signal_while_a_shell_is_open_leaves_the_terminal_clean(tmp_path: Path) -> None:
    async with demo(tmp_path) as terminal:
        await terminal.shows("live", "s Shell")
        terminal.press("s")
        await terminal.shows("Enter ~ . comes back")
        terminal.process.terminate()
        await terminal.ended()
        await terminal.until(lambda: clean(terminal), "clean terminal")
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize(
    ("command", "status"), [("exit 7", 7), ("kill -KILL $$", 137), ("stty size | grep -q '40 120'", 0)]
)
async def test_a_command_has_a_terminal_and_passes_its_status_on(
    folder: Folder, command: str, status: int
) -> None:
    async with distant(folder, "shell", "{box}", "--", command) as (terminal, _):
        assert await terminal.ended() == status
        assert clean(terminal)


async def test_a_shell_from_the_command_line_ends_with_its_last_status(folder: Folder) -> None:
    async with distant(folder, "shell", "{box}") as (terminal, _):
        await terminal.shows("box>")
        # Ctrl-D and Ctrl-C are keys like others.
        for key, shown in (("\x04", "status 0"), ("\x03", "^C")):
            # One process says it and waits: a key between two of them would be for the shell.
            terminal.press("sh -c \"echo wai''ting; exec cat\"; echo sta''tus $?\r")
            await terminal.shows("waiting\n")
            terminal.press(key)
            # A key before the prompt could still be read by the program that is ending.
            await terminal.shows(f"{shown}\nbox>")
            terminal.press("clear\r")
            await terminal.hides("waiting")
        terminal.press("test -t 0 && echo on a ter''minal\r")
        await terminal.shows("on a terminal")
        terminal.press("exit 9\r")
        assert await terminal.ended() == 9
        assert clean(terminal)


async def test_a_lost_link_ends_a_shell_with_255_and_the_reason(folder: Folder) -> None:
    async with distant(folder, "shell", "{box}") as (terminal, way):
        await terminal.shows("box>")
        way.cut()
        assert await terminal.ended() == 255
        await terminal.shows("Link lost")
        assert clean(terminal)


async def test_the_keys_leave_a_shell_of_the_command_line(folder: Folder) -> None:
    async with distant(folder, "shell", "{box}") as (terminal, way):
        await terminal.shows("box>")
        terminal.press("\r~?")
        await terminal.shows("leave at once")
        terminal.press("\r~~tilde\r")
        await terminal.shows("~tilde")
        way.freeze()
        terminal.press(LEAVE)
        assert await terminal.ended() == 255
        way.thaw()
        assert clean(terminal)
