"""An ssh server inside this program, for the demo box and for tests: real commands, loopback, one key."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED

from gpubox.core.loopback import LOOPBACK
from gpubox.core.tasks import in_time, uninterrupted
from gpubox.ssh.server_pty import run_behind

_GRACE = 0.5
"""Seconds between TERM and KILL for what still runs when its channel closes."""

_HERE = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that a client may forward to."""

_PIECE = 65536
"""Bytes passed on at a time."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server."""

    port: int
    """Port on 127.0.0.1."""
    host_key: str
    """The public host key, as known_hosts has it: type and base64."""

    @property
    def known_hosts(self) -> str:
        """A known_hosts line for this server."""
        return f"[127.0.0.1]:{self.port} {self.host_key}\n"


def new_key() -> tuple[str, str]:
    """Return a new ed25519 key: the private part in OpenSSH form, and the public line."""
    make = asyncssh.generate_private_key  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    key = make("ssh-ed25519", comment="gpubox")
    return key.export_private_key().decode(), key.export_public_key().decode().strip()


@asynccontextmanager
async def serve(
    *, authorized_key: str, host_key: str, home: Path, environment: Mapping[str, str]
) -> AsyncGenerator[Serving]:
    """Serve on 127.0.0.1 until the block is left, for the holder of one key and nobody else.

    Commands run by the user's login shell in `home`, with `environment` over a small one of our own.
    Leaving the block ends the connections and every process that they started.
    """
    processes = _Processes(home, environment)
    channels: set[asyncssh.SSHServerConnection] = set()
    private = asyncssh.import_private_key(host_key)
    acceptor = await asyncssh.listen(
        LOOPBACK,
        0,
        server_factory=lambda: _ForwardPolicy(channels),
        server_host_keys=[private],
        authorized_client_keys=asyncssh.import_authorized_keys(authorized_key),
        password_auth=False,
        kbdint_auth=False,
        gss_host=None,
        process_factory=processes.run,
        encoding=None,
        line_editor=False,  # the terminal itself does that
        agent_forwarding=False,
        x11_forwarding=False,
        allow_scp=False,
        login_timeout=30,
        keepalive_interval=15,
    )
    words = private.export_public_key().decode().split()
    try:
        yield Serving(acceptor.get_port(), " ".join(words[:2]))
    finally:
        acceptor.close()
        await processes.close()
        for connection in tuple(channels):
            connection.abort()
        await acceptor.wait_closed()  # from Python 3.12 on it waits for the connections too


class _ForwardPolicy(asyncssh.SSHServer):
    """Allows the forwards of a box, limited to this machine."""

    def __init__(self, channels: set[asyncssh.SSHServerConnection]) -> None:
        self._channels = channels
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Note a connection, so that it ends with the server."""
        self._connection = conn
        self._channels.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that ended."""
        if self._connection is not None:
            self._channels.discard(self._connection)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        """Allow connections to this machine."""
        if dest_host not in _HERE:
            raise asyncssh.ChannelOpenError(OPEN_ADMINISTRATIVELY_PROHIBITED, "only this machine")
        return True

    def unix_connection_requested(self, dest_path: str) -> bool:
        """Allow unix sockets."""
        return True

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        """Allow to listen on loopback."""
        return listen_host in _HERE


class _Processes:
    """Runs the commands of one server."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        user = pwd.getpwuid(os.getuid())
        self._shell = user.pw_shell if os.access(user.pw_shell or "/", os.X_OK) else "/bin/sh"
        self._home = home
        self._environment = {
            "HOME": str(home),
            "USER": user.pw_name,
            "LOGNAME": user.pw_name,
            "SHELL": self._shell,
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            **environment,
        }
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, channel: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run what a client requested, until the command or the channel ends."""
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._run(channel)
        finally:
            self._running.discard(task)

    async def _run(self, channel: asyncssh.SSHServerProcess[bytes]) -> None:
        if channel.term_type is not None:
            command = (self._shell, "-c", channel.command) if channel.command else (self._shell, "-l")
            status = await run_behind(channel, command, self._environment, str(self._home))
            if status is not None:
                _report(channel, status)
            return
        async with self._started(channel.command) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            pumps = [
                asyncio.ensure_future(_pump_in(channel, process)),
                asyncio.ensure_future(_pump_out(process.stdout, channel.stdout)),
                asyncio.ensure_future(_pump_out(process.stderr, channel.stderr)),
            ]
            closed = asyncio.ensure_future(channel.channel.wait_closed())
            # It has ended once its output has: asyncio waits for both, and so does sshd.
            ended = asyncio.ensure_future(process.wait())
            try:
                await asyncio.wait({closed, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done() and not closed.done():
                    await asyncio.wait(pumps[1:])
                    _report(channel, ended.result())
            finally:
                if not ended.done():
                    await uninterrupted(_end(process))
                for task in (*pumps, closed, ended):
                    task.cancel()
                await asyncio.wait((*pumps, closed, ended))

    @asynccontextmanager
    async def _started(self, command: str | None) -> AsyncGenerator[asyncio.subprocess.Process]:
        """Start the login shell; its pipes are closed at the end of the block, even if others hold them."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: asyncio.subprocess.SubprocessStreamProtocol(limit=_PIECE, loop=loop),
            self._shell,
            *(("-c", command) if command else ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._home,
            env=self._environment,
            start_new_session=True,
        )
        process = asyncio.subprocess.Process(transport, protocol, loop)
        try:
            yield process
        finally:
            transport.close()
            await process.wait()

    async def close(self) -> None:
        """End every process."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


async def _pump_in(channel: asyncssh.SSHServerProcess[bytes], process: asyncio.subprocess.Process) -> None:
    """Forward stdin, and the signals in between."""
    stdin = process.stdin
    assert stdin is not None
    with contextlib.suppress(ConnectionError, asyncssh.Error):
        while True:
            try:
                data = await channel.stdin.read(_PIECE)
            except asyncssh.SignalReceived as received:
                _signal(process, received.signal)
                continue
            except asyncssh.BreakReceived:
                _signal(process, "INT")
                continue
            if not data:
                break
            stdin.write(data)
            await stdin.drain()
    stdin.close()


async def _pump_out(source: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    """Forward output; once nobody reads it, discard it, so that the command can end."""
    gone = False
    while data := await source.read(_PIECE):
        if not gone:
            try:
                target.write(data)
                await target.drain()
            except (OSError, asyncssh.Error):
                gone = True


def _report(channel: asyncssh.SSHServerProcess[bytes], status: int) -> None:
    # A client that disconnects now is no error; raised here it would end all of its channels.
    with contextlib.suppress(OSError, asyncssh.Error):
        if status < 0:
            channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        else:
            channel.exit(status)


def _signal(process: asyncio.subprocess.Process, name: str) -> None:
    number = getattr(signal, f"SIG{name}", None)
    if isinstance(number, signal.Signals):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the command and everything in its group."""
    _signal(process, "TERM")
    if not await in_time(process.wait(), _GRACE):
        _signal(process, "KILL")
