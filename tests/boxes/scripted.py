"""A box that says what a test tells it to: a link, a shell and a channel without any machine behind them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gpubox.boxes.context import BoxContext
from gpubox.core.errors import CommandEnded, Dropped, GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.link_state import Health, Phase
from gpubox.core.sample import Sample
from gpubox.core.shell import Channel, CommandResult, Work
from gpubox.core.target import Target
from tests.hang import LIMIT

_ENCODER = msgspec.json.Encoder()
_MARK = re.compile(r"gpubox-[0-9a-f]{12}")


def line_of(sample: Sample) -> bytes:
    """A sample as the probe writes it."""
    text = _ENCODER.encode(sample).decode()
    return text.encode("ascii", "backslashreplace") + b"\n" if text.isascii() else text.encode() + b"\n"


async def until(condition: Callable[[], object], limit: float = LIMIT) -> None:
    """Wait until a condition holds; fail after `limit` seconds."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110  # anything may be waited for
            await asyncio.sleep(0.002)


def context(name: str, **given: Any) -> BoxContext:
    """What the features of a box are made with."""
    return BoxContext(Target(name, "ssh"), **given)


class ScriptedChannel:
    """A channel whose other end is the test."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.written = b""
        self.open = True
        self._buffer = b""
        self._stderr = b""
        self._result: CommandResult | None = None
        self._dropped: Dropped | None = None
        self._news = asyncio.Event()
        self.deaf = False
        """Whether a write never comes to its end, as on a connection that is stuck."""

    @property
    def mark(self) -> bytes:
        """The word that the box has to say first."""
        found = _MARK.search(self.command)
        assert found, self.command
        return found[0].encode()

    @property
    def beats(self) -> list[int]:
        """Numbers of the heartbeats that came in."""
        return [int(number) for number in re.findall(rb"beat (\d+)\n", self.written)]

    def send(self, data: bytes) -> None:
        """Let the box print something."""
        self._buffer += data
        self._news.set()

    def sample(self, sample: Sample) -> None:
        """Let the probe print a sample."""
        self.send(line_of(sample))

    def end(self, status: int | None = 0, stderr: bytes = b"", signal: str | None = None) -> None:
        """Let the command end."""
        self._stderr += stderr
        self._result = CommandResult(status, signal, b"", b"")
        self._news.set()

    def drop(self) -> None:
        """Cut the link."""
        self._dropped = Dropped("Connection lost", "The box is gone")
        self._news.set()

    async def write(self, data: bytes) -> None:
        if self._result:
            raise CommandEnded.closed(self._result.status)
        if self._dropped:
            raise self._dropped
        if self.deaf:
            await asyncio.Event().wait()
        self.written += data

    async def read_line(self, limit: int) -> bytes:
        while b"\n" not in self._buffer and len(self._buffer) <= limit and not self._result:
            if self._dropped:
                raise self._dropped
            self._news.clear()
            await self._news.wait()
        line, newline, self._buffer = self._buffer.partition(b"\n")
        return (line + newline)[:limit]

    async def read_stderr(self) -> bytes:
        return self._stderr[-4096:]

    async def wait(self) -> CommandResult:
        while self._result is None:
            if self._dropped:
                raise self._dropped
            self._news.clear()
            await self._news.wait()
        return self._result


class ScriptedShell:
    """A shell that opens scripted channels and answers commands from a function."""

    def __init__(self, greet: Callable[[ScriptedChannel], None] | None = None) -> None:
        self.channels: list[ScriptedChannel] = []
        self.commands: list[str] = []
        self.answer: Callable[[str], CommandResult | GpuBoxError] = lambda _: CommandResult(0, None, b"", b"")
        self._greet = greet or say_ready

    @property
    def channel(self) -> ScriptedChannel:
        """The newest channel."""
        return self.channels[-1]

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        self.commands.append(command)
        answer = self.answer(command)
        if isinstance(answer, GpuBoxError):
            raise answer
        return answer

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncGenerator[Channel]:
        channel = ScriptedChannel(command)
        self.channels.append(channel)
        self._greet(channel)
        try:
            yield channel
        finally:
            channel.open = False


def say_ready(channel: ScriptedChannel) -> None:
    """Greet as a box that has the probe already."""
    channel.send(channel.mark + b" HAVE\n")


def say_plain(channel: ScriptedChannel) -> None:
    """Greet as a box without Python."""
    channel.send(channel.mark + b" SH\n")


class ScriptedLink:
    """A link that is live at once, and begins its work again after each failure."""

    def __init__(self, shell: ScriptedShell | None = None) -> None:
        self.health: Feed[Health] = Feed(Health())
        self.shell = shell or ScriptedShell()
        self.failures: list[GpuBoxError] = []
        self.retries = 0
        self._retry = asyncio.Event()

    async def keep(self, work: Work) -> None:
        while True:
            self.health.put(Health(Phase.LIVE))
            try:
                await work(self.shell)
            except GpuBoxError as error:
                self.failures.append(error)
                self.health.put(Health(Phase.WAITING if error.again else Phase.REFUSED, reason=error))
                if not error.again:
                    await self._retry.wait()
                    self._retry.clear()
                await asyncio.sleep(0)
            else:
                await asyncio.Event().wait()

    def prepare(self) -> None:
        """Nothing to import."""

    def retry(self) -> None:
        self.retries += 1
        self._retry.set()


def refusing(_: str) -> GpuBoxError:
    """An answer of a box that opens no further channel."""
    return RemoteError("No channel", "The box opens no further channel")
