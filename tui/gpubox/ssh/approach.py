"""The way to the first hop of a box: it is opened while asyncssh, which logs in over it, is imported."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from gpubox.config.settings import SshSettings
from gpubox.core.prompts import Asker
from gpubox.core.tasks import uninterrupted
from gpubox.ssh.handshake_limit import Handshake
from gpubox.ssh.proxy import Proxy, start
from gpubox.ssh.resolve import Resolved
from gpubox.ssh.tcp_connect import reach


@dataclass(frozen=True, slots=True)
class Way:
    """A connected socket to a server over which nothing was said yet."""

    socket: socket.socket
    proxy: Proxy | None = None
    """The ProxyCommand at the other end of the socket, if there is one."""


class Approach:
    """One attempt to reach a hop; it begins at once, in a task of its own.

    A server sends its version unasked, so that it too comes during the import.
    """

    def __init__(
        self, hop: Resolved, settings: SshSettings, asker: Asker, given: socket.socket | None = None
    ) -> None:
        """Begin it; `given` is a socket that is connected to the hop already."""
        self.limit = limit_of(hop, settings)
        """Seconds to reach the hop, and again to shake hands with it."""
        self.handshake = Handshake(f"{hop.host}:{hop.port}", self.limit, asker)
        """The handshake over it, which already has its slot of the server when the way is open."""
        self._hop = hop
        self._given = given
        self._taken = False
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> Way:
        await self.handshake.reserve()
        if self._given is not None:
            return Way(self._given)
        if self._hop.proxy_command:
            proxy, way = await start(self._hop.proxy_command)
            return Way(way, proxy)
        return Way(await reach(self._hop.host, self._hop.port, self.limit, self._hop.source))

    async def way(self) -> Way:
        """Return the open way, for the caller to close; raises as `reach` and `proxy.start` do."""
        way = await self._opening
        self._taken = True
        return way

    async def abandon(self) -> None:
        """Close the way unless somebody took it, and free its slot of the server."""
        if not self._taken:
            await uninterrupted(self._end())

    async def _end(self) -> None:
        self._opening.cancel()
        await asyncio.wait([self._opening])
        self.handshake.release()
        if self._opening.cancelled() or self._opening.exception() is not None:
            return
        way = self._opening.result()
        way.socket.close()
        if way.proxy is not None:
            await way.proxy.close()


def limit_of(hop: Resolved, settings: SshSettings) -> float:
    """Return the seconds in which a hop must be reached, and then shake hands."""
    return hop.connect_timeout or settings.connect_timeout
