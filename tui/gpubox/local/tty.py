"""Hands the terminal of this process to a program on a box for a while."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import time
import tty
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from gpubox.core.channels import Terminal, TerminalSpec
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.core.sanitize import clean_bytes
from gpubox.core.tasks import together
from gpubox.local.escape_sequence import HELP, Escape
from gpubox.local.terminal_modes import Modes

_PIECE = 65536
_PASTED = 1024 * 1024
"""Bytes of type-ahead at which reading pauses: a paste may be faster than the box."""
_TAIL = 400
"""Bytes of the last output that are stored: they say why a program ended at once."""
_DRAWN = 1.0
"""Seconds to flush the remaining output."""


@dataclass(frozen=True, slots=True)
class TerminalExit:
    """How a program in this terminal ended."""

    status: int
    """Its exit status; 255 when the user left with `~.`."""
    seconds: float
    """How long it ran."""
    typed: bool = False
    """Whether any key was pressed in it."""
    left: bool = False
    """Whether the user left by `~.`, or by closing the window."""
    last: str = ""
    """The last line of its output, safe to draw."""


def terminal_spec() -> TerminalSpec:
    """Return the properties of this terminal for a program on a box; raises GpuBoxError without one."""
    with _opened() as screen:
        columns, rows = _size(screen)
    return TerminalSpec(
        columns, rows, os.environ.get("TERM", "xterm-256color"), terminal_environment(os.environ)
    )


def terminal_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that describe the terminal and the user's language."""
    return {
        name: value
        for name, value in environment.items()
        if name in ("LANG", "COLORTERM") or name.startswith("LC_")
    }


async def hand_over(terminal: Terminal, greeting: str = "") -> TerminalExit:
    """Hand this terminal to a program until it ends, the link drops, or the user types `~.` after Enter.

    The line settings are always restored, and so are the terminal modes unless the program ended by itself.
    Raises Dropped when the link drops, and GpuBoxError without a terminal.
    """
    with _opened() as screen:
        return await _Visit(terminal, screen).run(greeting)


@contextmanager
def _opened() -> Generator[int]:
    """Reopen the terminal, to make it non-blocking without affecting others who share stdin."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        name = os.ttyname(sys.__stdin__.fileno()) if sys.__stdin__ is not None else "/dev/tty"
        screen = os.open(name, flags)
    except (OSError, ValueError):
        try:
            screen = os.open("/dev/tty", flags)
        except OSError as error:
            raise GpuBoxError("No terminal here", "Only a terminal can show this") from error
    try:
        yield screen
    finally:
        os.close(screen)


def _size(screen: int) -> tuple[int, int]:
    rows, columns = 0, 0
    with suppress(OSError):
        rows, columns = termios.tcgetwinsize(screen)
    return columns or 80, rows or 24


class _Visit:
    """One program in this terminal."""

    def __init__(self, terminal: Terminal, screen: int) -> None:
        self._terminal = terminal
        self._screen = screen
        self._loop = asyncio.get_running_loop()
        self._escape = Escape()
        self._modes = Modes()
        self._typed = bytearray()
        self._news = asyncio.Event()
        self._gone = asyncio.Event()
        self._last = b""
        self._any = False

    async def run(self, greeting: str) -> TerminalExit:
        began = time.monotonic()
        status, well = 255, False
        try:
            async with self._raw():
                await self._draw(f"\x1b[2m{greeting}\x1b[0m\r\n".encode() if greeting else b"")
                try:
                    status = await self._until_over()
                    well = not self._gone.is_set() and status < 128
                finally:
                    if not well:
                        await self._tidy()
        except (OSError, termios.error) as error:  # the window was closed
            raise GpuBoxError("The terminal is gone", str(error)) from error
        last = self._last.replace(b"\r", b"\n").strip().rpartition(b"\n")[2]
        seconds = time.monotonic() - began
        return TerminalExit(status, seconds, self._any, self._gone.is_set(), clean_bytes(last, 160))

    async def _until_over(self) -> int:
        """Pass keys and output until the program ends or the user leaves; return the status."""

        async def shown() -> None:
            await self._show()
            raise _Over

        async def left() -> None:
            await self._gone.wait()
            raise _Over

        with suppress(_Over):
            await together(shown(), left(), self._type())
        return 255 if self._gone.is_set() else await self._terminal.wait()

    async def _show(self) -> None:
        while data := await self._terminal.read():
            self._modes.feed(data)
            self._last = (self._last + data)[-_TAIL:]
            await self._draw(data)
            await asyncio.sleep(0)  # a flood of output must leave time for panels and tunnels

    async def _draw(self, data: bytes) -> None:
        """Write to the terminal, as fast as it accepts output."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._screen, left[:_PIECE]) :]
            except BlockingIOError:
                ready = asyncio.Event()
                self._loop.add_writer(self._screen, ready.set)
                try:
                    await ready.wait()
                finally:
                    self._loop.remove_writer(self._screen)

    async def _tidy(self) -> None:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_DRAWN):
                await self._draw(self._modes.undo() + b"\r\n")

    async def _type(self) -> None:
        """Send the typed keys."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._typed:
                data = bytes(self._typed)
                self._typed.clear()
                self._listen()
                try:
                    await self._terminal.write(data)
                except RemoteError:
                    return  # the program has ended; the rest of it is still being drawn

    def _listen(self) -> None:
        self._loop.add_reader(self._screen, self._key)

    def _key(self) -> None:
        try:
            data = os.read(self._screen, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the window was closed
            self._loop.remove_reader(self._screen)
            self._gone.set()
            return
        self._any = True
        self._typed += self._escape.feed(data)
        if self._escape.asked:
            self._escape.asked = False
            with suppress(OSError):
                os.write(self._screen, HELP)
        if self._escape.left:
            self._gone.set()
        if len(self._typed) > _PASTED:
            self._loop.remove_reader(self._screen)
        self._news.set()

    def _resized(self) -> None:
        self._terminal.resize(*_size(self._screen))

    @asynccontextmanager
    async def _raw(self) -> AsyncGenerator[None]:
        """Read keys in raw mode, and follow changes of the window's size."""
        before = termios.tcgetattr(self._screen)
        handled = signal.getsignal(signal.SIGWINCH)
        try:
            tty.setraw(self._screen, termios.TCSANOW)
            self._listen()
            self._loop.add_signal_handler(signal.SIGWINCH, self._resized)
            self._resized()  # it may have changed since the program was started
            yield
        finally:
            self._loop.remove_reader(self._screen)
            self._loop.remove_signal_handler(signal.SIGWINCH)
            signal.signal(signal.SIGWINCH, handled)
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._screen, termios.TCSANOW, before)


class _Over(Exception):
    """The program has ended, or the user has left it."""
