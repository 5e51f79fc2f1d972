"""An open connection to a box, and the logins that carry it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import asyncssh

from gpubox.core.tasks import in_time
from gpubox.ssh.callbacks import Client
from gpubox.ssh.proxy import Proxy
from gpubox.ssh.resolve import Resolved

_POLITE = 1.0
"""Seconds that a connection gets for a clean close before it is aborted."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One login on the path to the box; the last one is the box itself."""

    where: Resolved
    ssh: asyncssh.SSHClientConnection
    client: Client
    proxy: Proxy | None
    """The ProxyCommand that carries it."""
    key: bytes = b""
    """The public key that logged in; empty for a login by other means."""

    async def close(self) -> None:
        """End it; never raises."""
        self.ssh.close()
        try:
            if not await in_time(self.ssh.wait_closed(), _POLITE):
                # A silent peer never drains the send buffer.
                self.ssh.abort()
                await self.ssh.wait_closed()
        finally:
            if self.proxy is not None:
                await self.proxy.close()


class MoreLogins(Protocol):
    """What opened a connection, and can log in there once more; see ssh.connect.Dialer."""

    @property
    def config_file(self) -> Path | None:
        """The configuration that is read in place of the user's own."""
        ...

    async def log_in_again(self, way: socket.socket | None) -> tuple[str, ...]:
        """Prove that a login works now, end it at once, and return what it was offered before any proof."""
        ...

    async def log_in_by(self, file: Path, passphrase: str, before: Hop | None) -> bytes:
        """Prove that a key file alone logs in now, end that login at once, and return the public key."""
        ...


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection and the hops that carry it."""

    box: Hop
    """The login to the box itself."""
    hops: Sequence[Hop]
    """Logins to the jump hosts, first hop first."""
    dialer: MoreLogins
    """What opened it."""

    @property
    def where(self) -> Resolved:
        """How the box was reached."""
        return self.box.where

    @property
    def ssh(self) -> asyncssh.SSHClientConnection:
        """The connection to the box, for channels and forwards."""
        return self.box.ssh

    @property
    def lost(self) -> Exception | None:
        """Why the connection ended, or None."""
        return self.box.client.lost

    @property
    def peer(self) -> tuple[str, int] | None:
        """Address of the first hop, when it was reached by TCP."""
        with contextlib.suppress(TypeError, IndexError, ValueError):
            address = (*self.hops, self.box)[0].ssh.get_extra_info("peername")
            return str(address[0]), int(address[1])
        return None

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, for whatever reason."""
        await self.ssh.wait_closed()

    async def close(self) -> None:
        """End the login and its hops; never raises, and takes a second or two at most."""
        await close_all([*self.hops, self.box])


async def close_all(hops: Sequence[Hop]) -> None:
    """End logins, the last one first; never raises."""
    for hop in reversed(hops):
        await hop.close()
