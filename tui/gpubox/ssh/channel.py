"""One command running on the box: lines out, bytes in, and its exit status."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import asyncssh
from asyncssh.constants import EXTENDED_DATA_STDERR

from gpubox.core.errors import CommandEnded, Dropped
from gpubox.core.line_buffer import LineBuffer
from gpubox.core.shell import CommandResult
from gpubox.core.tasks import in_time

STDERR_TAIL = 4096
"""Bytes of stderr that are remembered: its end says why something failed."""

_FULL = 1024 * 1024
"""Unread bytes at which the box is paused."""

_GRACE = 0.3
"""Seconds that a command gets to end after its stdin was closed."""

_POLITE = 1.0
"""Seconds that the box gets to confirm the close of a channel."""


class CommandSession(asyncssh.SSHClientSession[bytes]):
    """Receives the events of one channel from asyncssh."""

    def __init__(self) -> None:
        self.lines = LineBuffer()
        self.stderr = bytearray()
        self.result: CommandResult | None = None
        """How the command ended; None while it runs, or when the link dropped first."""
        self.closed = asyncio.Event()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = False
        self._full = False

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        """Keep the channel, to pause it."""
        self._channel = chan

    def give_up(self) -> None:
        """Close a channel on which the box refused a request: it would count as a session there."""
        if self._channel is not None:
            self._channel.close()

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Take output."""
        if datatype == EXTENDED_DATA_STDERR:
            self.stderr += data
            del self.stderr[:-STDERR_TAIL]
            return
        self.lines.feed(data)
        self.arrived(self.lines.size)

    def arrived(self, waiting: int) -> None:
        """Wake readers; pause the box when too many bytes are unread."""
        self._news.set()
        self._full = waiting > _FULL
        if self._full and not self._paused:
            self._pause()

    def _pause(self) -> None:
        if self._channel is not None:
            self._paused = True
            self._channel.pause_reading()

    def _resume(self) -> None:
        """Resume the box, and drain what asyncssh holds back before another pause.

        With the first of those packets it grants the box a whole new window: paused in between, it would
        buffer without a bound.
        """
        if self._channel is not None:
            self._full = False
            self._channel.resume_reading()
            self._paused = False
            if self._full:
                self._pause()

    def eof_received(self) -> bool:
        """Record the end of output; stdin stays open."""
        self.lines.end()
        self._news.set()
        return True

    def exit_status_received(self, status: int) -> None:
        """Record the exit status."""
        self.result = CommandResult(status, None, b"", b"")

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        """Record the signal."""
        self.result = CommandResult(None, signal, b"", b"")

    def pause_writing(self) -> None:
        """Pause writers."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Resume writers."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake everyone who waits."""
        self.lines.end()
        self._channel = None
        self.closed.set()
        self._news.set()
        self._writable.set()

    async def more(self) -> None:
        """Wait for output or its end, and resume the box."""
        self._news.clear()
        if self._paused:
            self._resume()
        if not self.closed.is_set():
            await self._news.wait()

    async def drained(self) -> None:
        """Wait until the box has read enough of what was written."""
        await self._writable.wait()


class SshChannel:
    """One running command; see core.shell.Channel."""

    def __init__(
        self,
        channel: asyncssh.SSHClientChannel[bytes],
        session: CommandSession,
        dropped: Callable[[], Dropped],
    ) -> None:
        self._channel = channel
        self._session = session
        self._dropped = dropped

    async def write(self, data: bytes) -> None:
        """Send to stdin; raises Dropped when the link is gone, CommandEnded when that has ended."""
        self._check_open()
        try:
            self._send(data)
        except (OSError, asyncssh.Error) as error:
            raise self._dropped() from error
        await self._session.drained()
        self._check_open()

    def _check_open(self) -> None:
        result = self._session.result
        if result is not None:
            raise CommandEnded.closed(result.status)
        if self._session.closed.is_set() or self._channel.is_closing():
            raise self._dropped()

    def _send(self, data: bytes) -> None:
        self._channel.write(data)  # pyright: ignore[reportUnknownMemberType]

    def give(self, stdin: bytes) -> None:
        """Write all of stdin and close it, without waiting; a command that has ended is no error."""
        if not self._channel.is_closing():
            with contextlib.suppress(OSError, asyncssh.Error):  # sending itself may find the link gone
                if stdin:
                    self._send(stdin)
                self._channel.write_eof()

    async def read(self) -> bytes:
        """Return the next piece of output, or b"" at the end; raises Dropped when the link is gone."""
        while (piece := self._session.lines.take_all()) is None:
            await self._session.more()
        if not piece:
            self._check()
        return piece

    async def read_line(self, limit: int) -> bytes:
        """Return the next line with its newline, or b"" at the end; see core.shell.Channel."""
        while (line := self._session.lines.take(limit)) is None:
            await self._session.more()
        if not line:
            self._check()
        return line

    async def read_stderr(self) -> bytes:
        """Return the end of stderr so far, at most STDERR_TAIL bytes; never waits."""
        return bytes(self._session.stderr)

    def resize(self, columns: int, rows: int) -> None:
        """Resize the program's terminal."""
        if not self._channel.is_closing():
            self._channel.change_terminal_size(columns, rows)

    async def wait(self) -> CommandResult:
        """Wait for the command's end; raises Dropped when the link ends first."""
        await self._session.closed.wait()
        self._check()
        return self._session.result or CommandResult(None, None, b"", b"")

    def _check(self) -> None:
        if self._session.closed.is_set() and self._session.result is None:
            raise self._dropped()

    def kill(self) -> None:
        """Kill the command if it still runs.

        Best effort: sshd refuses signals in logins as root and with ForceCommand, and before version 7.9.
        """
        self._signal("KILL")

    def _signal(self, name: str) -> None:
        if self._session.result is None and not self._channel.is_closing():
            self._channel.send_signal(name)

    async def close(self) -> None:
        """Close stdin, end the command if that does not, and close the channel."""
        self.give(b"")
        if not await self._closes(_GRACE):
            # Without a terminal it gets no SIGHUP, and sshd counts the session until it ends.
            self._signal("TERM")
            self._channel.close()
            await self._closes(_POLITE)

    async def _closes(self, limit: float) -> bool:
        return await in_time(self._session.closed.wait(), limit)
