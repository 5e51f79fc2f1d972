"""Forwards ports over one open link, and counts every byte and refusal."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

import asyncssh
from asyncssh.constants import OPEN_ADMINISTRATIVELY_PROHIBITED, OPEN_CONNECT_FAILED

from gpubox.core.channels import Direction, Forward, Traffic
from gpubox.core.errors import GpuBoxError, PortTaken, RemoteError
from gpubox.core.loopback import LOOPBACK, listen, serving
from gpubox.core.sanitize import as_bytes, clean
from gpubox.ssh.backpressure import Backpressure
from gpubox.ssh.relay import PACKET, WINDOW, ChannelEnd, SocketEnd
from gpubox.ssh.shell import SshShell
from gpubox.ssh.socks import Greeting

_PATIENCE = 1.0
"""Seconds that connections get to close with their forward."""


class Forwarding:
    """A forward that is open; see core.channels.Listening."""

    def __init__(self, shell: SshShell, line: Backpressure, spec: Forward) -> None:
        self.port = 0
        """The port that listens, on the loopback of the listening side."""
        self.traffic = Traffic()
        """Live counts."""
        self._connection = shell.connection.ssh
        self._line = line
        self._spec = spec
        self._socket_ends: set[SocketEnd] = set()
        self._closed = False
        self._quiet = asyncio.Event()

    # On this machine.

    @asynccontextmanager
    async def here(self) -> AsyncGenerator[None]:
        """Listen on this machine's loopback; raises PortTaken."""
        loop = asyncio.get_running_loop()
        listener = listen(self._spec.listen_port)
        self.port = int(listener.getsockname()[1])
        server = await loop.create_server(self._new_socket_end, sock=listener, start_serving=False)
        try:
            async with serving(server):
                yield
        finally:
            await self._end()

    def _new_socket_end(self) -> SocketEnd:
        greeting = Greeting() if self._spec.way is Direction.SOCKS else None
        socket_end = SocketEnd(self.traffic, self._line, self._begin, self._forget, greeting)
        self._socket_ends.add(socket_end)
        return socket_end

    def _begin(self, socket_end: SocketEnd) -> None:
        # The connection owns the task: a channel whose opening is cancelled stays open on the box forever,
        # and opening one to a silent host takes minutes, so nobody here can wait for it.
        self._connection.create_task(self._open(socket_end))

    async def _open(self, socket_end: SocketEnd) -> None:
        """Open the channel for one connection, or count the refusal."""
        try:
            await self._channel(socket_end)
        except asyncssh.ChannelOpenError as error:
            self._refused(socket_end, error)
        except (asyncssh.Error, OSError):
            socket_end.abort()  # the link went

    async def _channel(self, socket_end: SocketEnd) -> None:
        def channel_end() -> ChannelEnd:
            return ChannelEnd(socket_end)

        make = self._connection
        if self._spec.path:
            unix = cast("Callable[[], asyncssh.SSHUNIXSession[bytes]]", channel_end)  # the same calls
            path = cast("str", as_bytes(self._spec.path))  # it sends both, and of text only what is UTF-8
            await make.create_unix_connection(unix, path, window=WINDOW, max_pktsize=PACKET)
            return
        host, port = self._spec.host, self._spec.port
        if socket_end.spec is not None:
            host, port = socket_end.spec.host, socket_end.spec.port
        await make.create_connection(
            channel_end, host, port, *socket_end.peer, window=WINDOW, max_pktsize=PACKET
        )

    def _refused(self, socket_end: SocketEnd, error: asyncssh.ChannelOpenError) -> None:
        forbidden = error.code == OPEN_ADMINISTRATIVELY_PROHIBITED
        self.traffic.refused += 1
        self.traffic.refusal = clean(error.reason.strip(), 200)
        self.traffic.forbidden = forbidden
        socket_end.refuse(forbidden=forbidden)

    def _forget(self, socket_end: SocketEnd) -> None:
        self._socket_ends.discard(socket_end)
        if not self._socket_ends:
            self._quiet.set()

    async def _end(self) -> None:
        """Abort every connection, and wait briefly until they have ended."""
        self._closed = True
        self._quiet.clear()
        for socket_end in tuple(self._socket_ends):
            socket_end.abort()
        if self._socket_ends:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._quiet.wait()

    # On the box.

    @asynccontextmanager
    async def there(self, dropped: Callable[[], GpuBoxError]) -> AsyncGenerator[None]:
        """Listen on the box's loopback; raises PortTaken, RemoteError, or what `dropped` gives."""
        listener = await self._ask(self._spec.listen_port)
        if listener is None and self._spec.listen_port:
            raise await self._why_not()
        if listener is None:
            raise dropped() if self._connection.is_closed() else _forbidden()
        self.port = listener.get_port()
        try:
            yield
        finally:
            if not self._connection.is_closed():
                listener.close()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE):
                        await listener.wait_closed()
            await self._end()

    async def _ask(self, port: int) -> asyncssh.SSHListener | None:
        asking = asyncio.ensure_future(self._listen_there(port))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            # The request is on its way, and the box would keep the port for as long as the link lives.
            asking.add_done_callback(_close_late)
            raise

    async def _listen_there(self, port: int) -> asyncssh.SSHListener | None:
        try:
            return await self._connection.create_server(
                self._arrived, LOOPBACK, port, window=WINDOW, max_pktsize=PACKET
            )
        except (asyncssh.Error, asyncssh.ChannelListenError, OSError):
            return None  # it gives no reason

    async def _why_not(self) -> GpuBoxError:
        """Distinguish a port that is taken from a box that forwards none: does another port work?"""
        other = await self._ask(0)
        if other is None:
            return _forbidden()
        other.close()
        port = self._spec.listen_port
        return PortTaken(
            "Port taken on the box",
            f"The box does not listen on port {port} for us: something there has it, or it is not allowed",
            "Choose another port; below 1024 only root may listen",
        )

    async def _arrived(self, host: str, port: int) -> ChannelEnd:
        """Connect to the program here that a connection from the box is for."""
        socket_end = SocketEnd(self.traffic, self._line, lambda _: None, self._forget)
        loop = asyncio.get_running_loop()
        try:
            if self._spec.path:
                await loop.create_unix_connection(lambda: socket_end, self._spec.path)
            else:
                await loop.create_connection(lambda: socket_end, self._spec.host, self._spec.port)
        except OSError as error:
            self.traffic.refused += 1
            self.traffic.refusal = clean(os.strerror(error.errno) if error.errno else str(error), 200)
            raise asyncssh.ChannelOpenError(OPEN_CONNECT_FAILED, self.traffic.refusal) from error
        self._socket_ends.add(socket_end)
        if self._closed:
            socket_end.abort()
        return ChannelEnd(socket_end)


def _close_late(asking: asyncio.Future[asyncssh.SSHListener | None]) -> None:
    if not asking.cancelled() and (listener := asking.result()) is not None:
        listener.close()


def _to_itself(shell: SshShell, spec: Forward) -> bool:
    """Whether the forward leads to its own listening port, and one connection to endless ones."""
    if spec.way is not Direction.LOCAL or spec.path or spec.listen_port != spec.port:
        return False
    ends = [shell.connection.ssh.get_extra_info(name) for name in ("peername", "sockname")]
    addresses = [cast("tuple[str, int]", end)[0] for end in ends if isinstance(end, tuple)]
    return len(addresses) == 2 and addresses[0] == addresses[1]


def _forbidden() -> RemoteError:
    return RemoteError(
        "Remote forwards are not allowed",
        "The box does not listen on any port for us",
        "AllowTcpForwarding in its sshd_config must be yes or remote",
    )


@asynccontextmanager
async def forward(shell: SshShell, line: Backpressure, spec: Forward) -> AsyncGenerator[Forwarding]:
    """Open a forward; see core.channels.Channels.forward."""
    if shell.connection.ssh.is_closed():
        raise shell.dropped()
    if _to_itself(shell, spec):
        name = shell.connection.where.name
        text = f"{name} is this machine, so the tunnel would lead to itself"
        raise PortTaken(f"Port {spec.listen_port} taken", text, "Choose another port")
    made = Forwarding(shell, line, spec)
    way = made.there(shell.dropped) if spec.way is Direction.REMOTE else made.here()
    async with way:
        yield made
