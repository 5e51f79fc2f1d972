"""A terminal of this machine in the hands of a program: floods, slow windows, closed windows."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import termios
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gpubox.core.errors import Dropped
from gpubox.local import tty
from gpubox.local.tty import TerminalExit, hand_over, terminal_environment, terminal_spec
from tests.boxes.scripted import until
from tests.hang import LIMIT


@dataclass
class Program:
    """A program on a box; see core.channels.Terminal."""

    flood: bytes = b""
    """Drawn again and again; without it nothing is drawn but what `output` holds."""
    output: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue[bytes | None])
    """What is drawn; None loses the link, b"" ends the program."""
    typed: bytes = b""
    sizes: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    drawn: int = 0
    stuck: bool = False
    """Whether it takes no keys."""
    status: int = 0

    async def write(self, data: bytes) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        self.typed += data

    async def read(self) -> bytes:
        if self.flood:
            self.drawn += len(self.flood)
            return self.flood
        data = await self.output.get()
        if data is None:
            raise Dropped("Link lost")
        return data

    def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    async def wait(self) -> int:
        return self.status


@dataclass
class Window:
    """The user's side of a terminal."""

    ours: int
    theirs: int
    seen: bytes = b""

    def press(self, keys: bytes) -> None:
        os.write(self.ours, keys)

    def look(self) -> bytes:
        try:
            while True:
                self.seen += os.read(self.ours, 65536)
        except BlockingIOError:
            return self.seen


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Generator[Window]:
    """A terminal in the place of this process's own."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    termios.tcsetwinsize(theirs, (24, 80))
    own = os.fdopen(os.dup(theirs))
    monkeypatch.setattr("sys.__stdin__", own)
    try:
        yield Window(ours, theirs)
    finally:
        own.close()
        for each in (ours, theirs):
            try:
                os.close(each)
            except OSError:
                continue  # the test closed it


@asynccontextmanager
async def visit(program: Program) -> AsyncGenerator[asyncio.Task[TerminalExit]]:
    task = asyncio.create_task(hand_over(program))
    try:
        await until(lambda: program.sizes or task.done())
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_flood_into_a_window_that_stands_still_holds_nothing_up(window: Window) -> None:
    program = Program(flood=b"y\n" * 32_768)
    async with visit(program) as task, asyncio.timeout(LIMIT):
        for _ in range(50):
            await asyncio.sleep(0.005)  # a loop that is held up never comes through here
        assert program.drawn <= 2 * len(program.flood), "what the window does not take is not read"
        window.press(b"\r~.")
        await until(lambda: window.look() and task.done())
        assert (await task).left


async def test_a_flood_is_drawn_while_keys_and_the_rest_go_on(window: Window) -> None:
    program = Program(flood=b"y\n" * 8_192)
    async with visit(program), asyncio.timeout(LIMIT):
        await until(lambda: len(window.look()) > 1_000_000)
        window.press(b"\x03")
        await until(lambda: window.look() and program.typed == b"\x03")


async def test_keys_and_pictures_pass_as_they_are(window: Window) -> None:
    program = Program()
    async with visit(program) as task, asyncio.timeout(LIMIT):
        window.press(b"\x03\x04\x11\x13\x1a\x7f\r")
        await until(lambda: program.typed == b"\x03\x04\x11\x13\x1a\x7f\r")
        program.output.put_nowait(b"one\ntwo\r\n")
        await until(lambda: b"one\ntwo\r\n" in window.look())
        program.status = 3
        program.output.put_nowait(b"")
        ended = await task
        assert (ended.status, ended.left, ended.typed, ended.last) == (3, False, True, "two")


async def test_the_program_hears_of_every_size(window: Window) -> None:
    program = Program()
    async with visit(program), asyncio.timeout(LIMIT):
        assert program.sizes == [(80, 24)]
        termios.tcsetwinsize(window.theirs, (50, 200))
        os.kill(os.getpid(), signal.SIGWINCH)  # this terminal is not the one of the tests' own session
        await until(lambda: program.sizes[-1] == (200, 50))


async def test_a_lost_link_gives_the_settings_and_the_modes_back(window: Window) -> None:
    before = termios.tcgetattr(window.theirs)
    handled = signal.getsignal(signal.SIGWINCH)
    program = Program()
    async with visit(program) as task, asyncio.timeout(LIMIT):
        assert termios.tcgetattr(window.theirs) != before
        program.output.put_nowait(b"\x1b[?1049h\x1b[?1000h\x1b]0;half a ti")
        program.output.put_nowait(None)
        with pytest.raises(Dropped):
            await task
    assert termios.tcgetattr(window.theirs) == before
    assert signal.getsignal(signal.SIGWINCH) == handled
    assert b"half a ti\x18" in window.look(), "a title that is cut short swallows nothing"
    assert window.seen.endswith(b"\x1b[?1000l\x1b[?1049l\r\n")


async def test_a_box_that_takes_no_keys_is_left(window: Window) -> None:
    program = Program(stuck=True)
    async with visit(program) as task, asyncio.timeout(LIMIT):
        window.press(b"lost words\r")
        window.press(b"~")
        window.press(b".")
        assert (await task).left


async def test_a_window_that_closes_ends_the_visit(window: Window) -> None:
    async with visit(Program()) as task, asyncio.timeout(LIMIT):
        os.close(window.ours)
        assert (await task).left


async def test_a_paste_of_any_size_arrives_whole(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tty, "_PASTED", 1000)
    text = b"".join(b"%06d\n" % number for number in range(5_000))
    program = Program()
    async with visit(program), asyncio.timeout(LIMIT):
        for at in range(0, len(text), 500):
            window.press(text[at : at + 500])
            await until(lambda at=at: len(program.typed) >= min(at, len(text)))
        await until(lambda: program.typed == text)


def test_a_box_learns_size_kind_and_language(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "screen-256color")
    termios.tcsetwinsize(window.theirs, (33, 99))
    requested = terminal_spec()
    assert (requested.columns, requested.rows, requested.term) == (99, 33, "screen-256color")
    mixed = {"LANG": "de_DE.UTF-8", "LC_TIME": "C", "COLORTERM": "truecolor", "SECRET": "x", "PATH": "y"}
    assert terminal_environment(mixed) == {"LANG": "de_DE.UTF-8", "LC_TIME": "C", "COLORTERM": "truecolor"}
