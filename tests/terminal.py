"""Runs a whole program in a pseudo-terminal, and reads its screen as a user does."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pyte

from tests.hang import LIMIT

_LOGIN = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"
# What the screen reader takes for text or colors and a terminal does not: keyboard protocols and queries.
_UNREAD = re.compile(
    rb"\x1b\[[<>=?][\d;]*[a-gi-km-zA-Z]|\x1b\[\?[\d;]*\$p|\x1b[P_].*?\x1b\\|\x1b\[[<>=][\d;]*[a-zA-Z]|\x1b\[c"
)
_MODES = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_LOOKS = re.compile(rb"\x1b\[[0-9;:?<=>]*[A-Za-z]")
_HALF = re.compile(rb"\x1b(?:\[[\x20-\x3f]*|[P_](?:(?!\x1b\\).)*)?$", re.DOTALL)


class _Screen(pyte.Screen):
    """A screen that answers where its cursor is, as terminals do: some programs wait ten seconds for it."""

    def __init__(self, columns: int, rows: int, answer: Callable[[str], None]) -> None:
        super().__init__(columns, rows)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        """Type an answer."""
        self._answer(data)


class Terminal:
    """One program in a pseudo-terminal. Use `opened`; times are seconds of time.monotonic()."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        ours: int,
        columns: int,
        rows: int,
        pause: float,
        kind: str,
    ) -> None:
        self.process = process
        self.started = time.monotonic()
        self.raw = bytearray()
        """Everything the program wrote."""
        self.arrived = self.started
        """When what was drawn last came in."""
        self.came = self.started
        """When anything came in last."""
        self.before = termios.tcgetattr(ours)
        """The line settings at the start."""
        self._screen = _Screen(columns, rows, self.press)
        self._stream = pyte.ByteStream(self._screen)
        self._left = b""
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._pause = pause
        self._kind = kind
        self._ours: int | None = ours
        self._news = asyncio.Event()
        os.set_blocking(ours, False)
        asyncio.get_running_loop().add_reader(ours, self._read, ours)

    @property
    def text(self) -> str:
        """The screen as it is now."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    @property
    def after(self) -> list[object]:
        """The line settings now; compare with `before`."""
        assert self._ours is not None
        return termios.tcgetattr(self._ours)

    @property
    def modes(self) -> dict[int, bool]:
        """Private modes by number: alternate screen 1049, cursor 25, mouse 1000..1016, paste 2004."""
        found: dict[int, bool] = {}
        for numbers, way in _MODES.findall(bytes(self.raw)):
            for number in numbers.split(b";"):
                found[int(number)] = way == b"h"
        return found

    def _read(self, ours: int) -> None:
        while True:
            try:
                data = os.read(ours, 65536)
            except BlockingIOError:
                break
            except OSError:  # the last program on the other side has gone
                data = b""
            if not data:
                asyncio.get_running_loop().remove_reader(ours)
                break
            self.raw += data
            self.came = time.monotonic()
            if b"\x1b[c" in data:
                self.press(self._kind)
            self._waiting.append((time.monotonic(), data))
        if not self._pause:
            while self._waiting:
                self._draw()
        self._news.set()

    def _draw(self) -> None:
        """Draw the oldest piece that waits."""
        self.arrived, data = self._waiting.popleft()
        data = self._left + data
        half = _HALF.search(data)
        cut = half.start() if half else len(data)
        self._left = data[cut:]
        self._stream.feed(_UNREAD.sub(b"", data[:cut]))

    async def until(self, ready: Callable[[], bool], what: str, limit: float = LIMIT) -> float:
        """Wait for something; return when the output came that made it so. Raises AssertionError."""
        end = time.monotonic() + limit
        while not ready():
            if self._waiting and time.monotonic() - self._waiting[-1][0] >= self._pause:
                self._draw()
                await asyncio.sleep(0)  # what comes in meanwhile is to be read in time
                continue
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {limit} s; the screen:\n{self.text}")
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(limit, self._pause) or limit):
                    await self._news.wait()
        return self.arrived

    async def caught_up(self) -> None:
        """Wait until everything that came in is drawn."""
        await self.until(lambda: not self._waiting, "pause in the output")

    async def shows(self, *words: str, limit: float = LIMIT) -> float:
        """Wait until all words stand on the screen; return when they did."""
        return await self.until(lambda: all(word in self.text for word in words), f"{words}", limit)

    async def hides(self, word: str, limit: float = LIMIT) -> float:
        """Wait until a word is gone from the screen; return when it was."""
        return await self.until(lambda: word not in self.text, f"end of {word!r}", limit)

    async def writes(self, words: str, since: int, limit: float = LIMIT) -> float:
        """Wait until the program wrote words behind byte `since` of `raw`; return when they came.

        Nothing is drawn meanwhile: this keeps up also with a program that never pauses.
        """
        end = time.monotonic() + limit
        while words.encode() not in _LOOKS.sub(b"", bytes(self.raw[since:])):
            if time.monotonic() > end:
                raise AssertionError(f"no {words!r} was written within {limit} s")
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._news.wait()
        return self.came

    def press(self, keys: str) -> None:
        """Type."""
        assert self._ours is not None
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size; the system signals the program."""
        assert self._ours is not None
        self._screen.resize(rows, columns)
        termios.tcsetwinsize(self._ours, (rows, columns))

    def close(self) -> None:
        """Close the window: the program is hung up."""
        if self._ours is not None:
            asyncio.get_running_loop().remove_reader(self._ours)
            os.close(self._ours)
            self._ours = None

    async def ended(self, limit: float = LIMIT) -> int:
        """Wait for the program's end and return its exit status (negative: the signal)."""
        async with asyncio.timeout(limit):
            return await self.process.wait()


@asynccontextmanager
async def opened(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int = 120,
    rows: int = 40,
    pause: float = 0.0,
    kind: str = "\x1b[?6c",
) -> AsyncGenerator[Terminal]:
    """Run a command in a terminal of its own; leaving the block ends the program if it still runs.

    With a `pause` the screen is drawn only after that many seconds without output: reading it takes no
    processor from the program then, and the times tell when a piece of output came in. `kind` is what the
    terminal says when it is asked what it is, at once as terminals do.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", _LOGIN, *command,
            stdin=theirs, stdout=theirs, stderr=theirs,
            env={"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8", **environment},
        )  # fmt: skip
    finally:
        os.close(theirs)
    terminal = Terminal(process, ours, columns, rows, pause, kind)
    try:
        yield terminal
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        terminal.close()
