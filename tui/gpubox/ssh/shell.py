"""Commands on one box over one connection, however few channels the box allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Protocol, cast

import asyncssh
from asyncssh.constants import OPEN_CONNECT_FAILED

from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.shell import Result
from gpubox.core.text import clean
from gpubox.ssh.channel import Session, SshChannel
from gpubox.ssh.connect import Connection
from gpubox.ssh.errors import Facts, Stage, explain

OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of stdout that `run` keeps; a command with more is ended."""

_QUEUE = 10.0
"""Seconds that a stream waits for one of the box's few channels."""


class _Create(Protocol):
    async def __call__(
        self, factory: Callable[[], Session], command: str, *, encoding: None
    ) -> tuple[asyncssh.SSHClientChannel[bytes], Session]: ...


class SshShell:
    """See core.shell.Shell. Lives as long as its connection."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.connection = connection
        """The open connection, for what needs more than a command: forwards, a terminal, X11."""
        self._name = name
        self._open = 0
        self._ended = asyncio.Event()
        self._opening: set[asyncio.Task[SshChannel]] = set()

    def dropped(self) -> Dropped:
        """Return why the connection is gone, in words."""
        where = self.connection.where
        facts = Facts(self._name, where.address, where.host, where.port, Stage.LIVE)
        cause = self.connection.client.lost or asyncssh.ConnectionLost("Connection closed")
        error = explain(cause, facts, where.name)
        return error if isinstance(error, Dropped) else Dropped(error.title, error.text, error.hint)

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> Result:
        """Run a command line by the login shell of the box; see core.shell.Shell."""
        channel: SshChannel | None = None
        try:
            async with asyncio.timeout(timeout):
                channel = await self._start(command, timeout)
                return await self._all(channel, stdin)
        except TimeoutError as error:
            if channel is not None:
                channel.kill()
            raise RemoteError(
                "Command took too long",
                f"{self._name}: `{clean(command, 60)}` did not end in {timeout:g} s",
                "The box may be overloaded",
            ) from error
        finally:
            if channel is not None:
                await self._finish(channel)

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncGenerator[SshChannel]:
        """Start a command and hold its channel; leaving the block closes stdin and the channel."""
        try:
            async with asyncio.timeout(_QUEUE):
                channel = await self._start(command, _QUEUE)
        except TimeoutError as error:
            raise self._none_free(f"none became free in {_QUEUE:.0f} s") from error
        try:
            yield channel
        finally:
            await self._finish(channel)

    async def close(self) -> None:
        """Wait for channels that were being opened when nobody wanted them any more."""
        await asyncio.gather(*self._opening, return_exceptions=True)

    async def _all(self, channel: SshChannel, stdin: bytes) -> Result:
        """Feed stdin and collect the output of a command to its end."""
        channel.give(stdin)
        kept = bytearray()
        while piece := await channel.read():
            kept += piece
            if len(kept) > OUTPUT_LIMIT:
                channel.kill()
                raise RemoteError(
                    "Too much output", f"{self._name}: over {OUTPUT_LIMIT >> 20} MiB from one command"
                )
        ended = await channel.wait()
        return Result(ended.status, ended.signal, bytes(kept), await channel.read_stderr())

    async def _finish(self, channel: SshChannel) -> None:
        try:
            await channel.close()
        finally:
            self._open -= 1
            self._ended.set()

    async def _start(self, command: str, limit: float) -> SshChannel:
        """Open a channel; while the box allows no further one, wait for one of ours to end."""
        while True:
            self._ended.clear()
            try:
                channel = await self._new(command)
            except asyncssh.ChannelOpenError as error:
                if self.connection.ssh.is_closed():
                    raise self.dropped() from error
                if error.code != OPEN_CONNECT_FAILED or not self._open:
                    raise self._refused(error) from error
                await self._ended.wait()
            except (asyncssh.Error, OSError) as error:
                raise self.dropped() from error
            else:
                self._open += 1
                return channel

    async def _new(self, command: str) -> SshChannel:
        # A channel whose opening is cancelled stays open on the box for ever, and counts there: let it
        # open, then close it.
        opening = asyncio.ensure_future(self._create(command))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._opening.add(opening)
            opening.add_done_callback(self._unwanted)
            raise

    async def _create(self, command: str) -> SshChannel:
        session = Session()
        create = cast("_Create", self.connection.ssh.create_session)  # its own types leave the bytes open
        channel, _ = await create(lambda: session, command, encoding=None)
        return SshChannel(channel, session, self.dropped)

    def _unwanted(self, opening: asyncio.Task[SshChannel]) -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and opening.exception() is None:
            opening.result().let_go()

    def _refused(self, error: asyncssh.ChannelOpenError) -> GpuBoxError:
        if "request failed" in error.reason:
            return RemoteError(
                "Command refused",
                f"{self._name} logs in, but runs no command ({clean(error.reason, 120)})",
                "Look at ForceCommand and the login shell there",
            )
        return self._none_free(clean(error.reason, 120))

    def _none_free(self, said: str) -> RemoteError:
        return RemoteError(
            "No further session",
            f"{self._name} opens no further session on this link ({said})",
            "Raise MaxSessions in its sshd_config, or close something here",
        )
