"""Runs commands on one box over one connection, however few channels the box allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, cast

import asyncssh
from asyncssh.constants import (
    OPEN_CONNECT_FAILED,
    OPEN_REQUEST_PTY_FAILED,
    OPEN_REQUEST_SESSION_FAILED,
    OPEN_REQUEST_X11_FORWARDING_FAILED,
)

from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.sanitize import as_bytes, clean
from gpubox.core.shell import CommandResult
from gpubox.ssh.channel import CommandSession, SshChannel
from gpubox.ssh.connection import Connection
from gpubox.ssh.errors import ConnectFacts, Stage, explain

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of stdout that `run` collects; a command with more is killed."""

_ASK_AGAIN, _ASK_SELDOM = 0.03, 0.5
"""Seconds between the first requests, and later ones, of the first in line for a session."""

_LATE = 1.0
"""Seconds in which the box may still count a session of ours that has ended.

sshd frees it only after it has read all that came with its end: a request right behind is refused once more.
"""

_QUEUE = 10.0
"""Seconds that a stream waits for a free session of the box."""


_REFUSALS = {
    OPEN_REQUEST_PTY_FAILED: (
        "No terminal",
        "{name} logs in, but gives no terminal ({said})",
        "Look at PermitTTY in its sshd_config, and at no-pty in its authorized_keys",
    ),
    OPEN_REQUEST_X11_FORWARDING_FAILED: (
        "X11 is not forwarded",
        "{name} logs in, but forwards no windows ({said})",
        "X11Forwarding in its sshd_config must be yes",
    ),
    OPEN_REQUEST_SESSION_FAILED: (
        "Command refused",
        "{name} logs in, but runs no command ({said})",
        "Look at ForceCommand and the login shell there",
    ),
}
"""What the box refused, by asyncssh's codes."""


class _Create(Protocol):
    async def __call__(
        self, factory: Callable[[], CommandSession], command: bytes | None, *, encoding: None, **specs: object
    ) -> tuple[asyncssh.SSHClientChannel[bytes], CommandSession]: ...


@dataclass(frozen=True, slots=True)
class _Request:
    """The request for a session."""

    command: str | None
    make: Callable[[], CommandSession]
    specs: Mapping[str, object]


class SshShell:
    """See core.shell.Shell. Lives as long as its connection."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.connection = connection
        """The open connection, for forwards, terminals and X11."""
        self._name = name
        self._open = 0
        self._ended = -_LATE
        self._line = asyncio.Lock()
        self._abandoned: set[asyncio.Task[None]] = set()

    def dropped(self) -> Dropped:
        """Return why the connection ended, in words."""
        where = self.connection.where
        facts = ConnectFacts(self._name, where.address, where.host, where.port, Stage.LIVE)
        cause = self.connection.lost or asyncssh.ConnectionLost("Connection closed")
        error = explain(cause, facts, where.typed)
        return error if isinstance(error, Dropped) else Dropped(error.title, error.text, error.hint)

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        """Run a command line by the login shell of the box; see core.shell.Shell."""
        channel: SshChannel | None = None
        try:
            async with asyncio.timeout(timeout):
                channel = await self._start(_Request(command, CommandSession, {}))
                return await self._all(channel, stdin)
        except TimeoutError as error:
            if channel is None and self._open:
                raise self._none_free(f"none became free in {timeout:g} s") from error
            raise RemoteError(
                "Command took too long",
                f"{self._name}: `{clean(command, 60)}` did not end in {timeout:g} s",
                "The box may be overloaded",
            ) from error
        finally:
            if channel is not None:
                # Kill one that still runs and was abandoned: it would hold its session.
                channel.kill()
                await self._finish(channel)

    def stream(self, command: str) -> AbstractAsyncContextManager[SshChannel]:
        """Start a command and hold its channel; leaving the block closes stdin and the channel."""
        return self.session(command)

    @asynccontextmanager
    async def session(
        self, command: str | None, make: Callable[[], CommandSession] = CommandSession, **specs: object
    ) -> AsyncGenerator[SshChannel]:
        """Start a command, or the login shell (None), with a terminal, a display or whatever asyncssh offers.

        Leaving the block closes stdin and the channel. Raises as Shell.stream does, and RemoteError when the
        box refuses the request.
        """
        try:
            async with asyncio.timeout(_QUEUE):
                channel = await self._start(_Request(command, make, specs))
        except TimeoutError as error:
            raise self._none_free(f"none became free in {_QUEUE:.0f} s") from error
        try:
            yield channel
        finally:
            await self._finish(channel)

    async def close(self) -> None:
        """Wait for channels whose opening was abandoned."""
        await asyncio.gather(*self._abandoned, return_exceptions=True)

    async def _all(self, channel: SshChannel, stdin: bytes) -> CommandResult:
        """Write stdin and collect the output of a command until it ends."""
        channel.give(stdin)
        output = bytearray()
        while piece := await channel.read():
            output += piece
            if len(output) > OUTPUT_LIMIT:
                raise RemoteError(
                    "Too much output", f"{self._name}: over {OUTPUT_LIMIT >> 20} MiB from one command"
                )
        ended = await channel.wait()
        return CommandResult(ended.status, ended.signal, bytes(output), await channel.read_stderr())

    async def _finish(self, channel: SshChannel) -> None:
        try:
            await channel.close()
        finally:
            self._one_less()

    def _one_less(self) -> None:
        self._open -= 1
        self._ended = time.monotonic()

    async def _start(self, request: _Request) -> SshChannel:
        """Open a channel; while the box allows no further one, queue until one of ours ends."""
        channel = await self._try(request)
        if channel is None:
            async with self._line:
                pause = _ASK_AGAIN
                while (channel := await self._try(request)) is None:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _ASK_SELDOM)
        self._open += 1
        return channel

    async def _try(self, request: _Request) -> SshChannel | None:
        """Return a new channel, or None when the box allows no more than those that we hold."""
        try:
            return await self._new(request)
        except asyncssh.ChannelOpenError as error:
            if self.connection.ssh.is_closed():
                raise self.dropped() from error
            ours = self._open or time.monotonic() - self._ended < _LATE
            if error.code != OPEN_CONNECT_FAILED or not ours:
                raise self._refused(error) from error
            return None
        except (asyncssh.Error, OSError) as error:
            raise self.dropped() from error

    async def _new(self, request: _Request) -> SshChannel:
        # A channel whose opening is cancelled stays open on the box and counts there: let it open, then close
        # it.
        opening = asyncio.ensure_future(self._create(request))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._open += 1
            abandoned = asyncio.ensure_future(self._abandon(opening))
            self._abandoned.add(abandoned)
            abandoned.add_done_callback(self._abandoned.discard)
            raise

    async def _abandon(self, opening: asyncio.Task[SshChannel]) -> None:
        try:
            await (await opening).close()
        except (asyncssh.Error, OSError):
            return  # it did not open, which is as good
        finally:
            self._one_less()

    async def _create(self, request: _Request) -> SshChannel:
        session = request.make()
        command = None if request.command is None else as_bytes(request.command)
        create = cast("_Create", self.connection.ssh.create_session)  # its own types leave the bytes open
        try:
            channel, _ = await create(lambda: session, command, encoding=None, **request.specs)
        except asyncssh.ChannelOpenError:
            session.give_up()
            raise
        return SshChannel(channel, session, self.dropped)

    def _refused(self, error: asyncssh.ChannelOpenError) -> GpuBoxError:
        said = clean(error.reason, 120)
        if error.code not in _REFUSALS:
            return self._none_free(said)
        title, text, hint = _REFUSALS[error.code]
        return RemoteError(title, text.format(name=self._name, said=said), hint)

    def _none_free(self, said: str) -> RemoteError:
        return RemoteError(
            "No further session",
            f"{self._name} opens no further session on this link ({said})",
            "Raise MaxSessions in its sshd_config, or close something here",
        )
