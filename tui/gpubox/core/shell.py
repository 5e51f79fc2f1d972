"""The protocol through which the layers above run commands on a box; ssh and local implement it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gpubox.core.feed import Feed
from gpubox.core.link_state import Health


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a finished command."""

    status: int | None
    """Exit status; None when a signal ended it."""
    signal: str | None
    """Name of that signal without SIG, such as `KILL`."""
    stdout: bytes
    stderr: bytes

    @property
    def ok(self) -> bool:
        """Whether the command ended with status 0."""
        return self.status == 0


class Channel(Protocol):
    """A running command with its stdin and stdout open."""

    async def write(self, data: bytes) -> None:
        """Send to the command's stdin.

        Raises Dropped when the link is gone, and CommandEnded when the command has ended.
        """
        ...

    async def read_line(self, limit: int) -> bytes:
        """Return the next line with its newline, or b"" at the end.

        A line longer than `limit` bytes comes back cut to `limit` bytes and without a newline;
        the rest of that line is thrown away. Raises Dropped when the link is gone.
        """
        ...

    async def read_stderr(self) -> bytes:
        """Return what the command wrote to stderr so far, at most its last 4 KiB; never waits."""
        ...

    async def wait(self) -> CommandResult:
        """Wait for the command's end; stdout and stderr of the result are empty."""
        ...


class Shell(Protocol):
    """Runs commands on one box for as long as its link is up."""

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        """Run a command line by the login shell of the box.

        Raises Dropped when the link ends first, and RemoteError when `timeout` seconds pass or the
        box opens no further channel.
        """
        ...

    def stream(self, command: str) -> AbstractAsyncContextManager[Channel]:
        """Start a command and hold its channel open; leaving the block closes stdin and the channel."""
        ...


Work = Callable[[Shell], Awaitable[None]]
"""The work that runs while a link is up. It may return (the link then idles until it drops) or raise
GpuBoxError."""


class Link(Protocol):
    """The link to one box; it alone reconnects."""

    @property
    def health(self) -> Feed[Health]:
        """The state of the link."""
        ...

    def prepare(self) -> None:
        """Import the modules that `keep` needs; call it in a thread, where `keep` may be at it too."""
        ...

    async def keep(self, work: Work) -> None:
        """Connect, run `work`, and reconnect after each loss, until cancelled.

        Never raises GpuBoxError: errors are in `health`. Phase REFUSED waits for `retry()`.
        """
        ...

    def retry(self) -> None:
        """Retry now: ends a WAITING or REFUSED phase, and checks that a LIVE link still answers."""
        ...


def lines(channel: Channel, limit: int) -> AsyncIterator[bytes]:
    """Iterate over a channel's lines until its end; see Channel.read_line."""

    async def each() -> AsyncIterator[bytes]:
        while line := await channel.read_line(limit):
            yield line

    return each()
