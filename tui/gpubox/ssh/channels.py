"""Channels of one open ssh connection besides commands; each kind is a module of its own."""

from __future__ import annotations

import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from gpubox.common import public_keys
from gpubox.core.channels import (
    Display,
    Forward,
    Listening,
    LoginAddress,
    LoginMethod,
    Pipes,
    Terminal,
    TerminalSpec,
)
from gpubox.core.shell import Channel
from gpubox.ssh.backpressure import Backpressure
from gpubox.ssh.forward import forward
from gpubox.ssh.known_hosts import fingerprint, key_type
from gpubox.ssh.shell import SshShell
from gpubox.ssh.terminal import pipes, terminal
from gpubox.ssh.x11 import graphical


class SshChannels:
    """See core.channels.Channels. Lives as long as its shell."""

    def __init__(self, shell: SshShell) -> None:
        self._shell = shell
        self._line = Backpressure(shell.connection.ssh)
        self._proved = ""
        self._offered = tuple(shell.connection.box.client.methods)

    def forward(self, spec: Forward) -> AbstractAsyncContextManager[Listening]:
        """Open a forward on loopback; see core.channels.Channels.forward."""
        return forward(self._shell, self._line, spec)

    def terminal(self, command: str | None, spec: TerminalSpec) -> AbstractAsyncContextManager[Terminal]:
        """Start a program behind a terminal; see core.channels.Channels.terminal."""
        return terminal(self._shell, command, spec)

    def pipes(self, command: str | None) -> AbstractAsyncContextManager[Pipes]:
        """Start a command with three pipes; see core.channels.Channels.pipes."""
        return pipes(self._shell, command)

    @property
    def login(self) -> LoginMethod:
        """How this link was logged in."""
        box = self._shell.connection.box
        if not box.key:
            return LoginMethod(self._offered, proved=self._proved)
        bits = public_keys.size(public_keys.parts(box.key))
        return LoginMethod(self._offered, key_type(box.key), fingerprint(box.key), bits, self._proved)

    @property
    def address(self) -> LoginAddress:
        """Where this link was logged in."""
        connection = self._shell.connection
        where, jumps = connection.where, (hop.where for hop in connection.hops)
        return LoginAddress(
            where.host,
            where.port,
            where.user,
            ",".join(jump.address for jump in jumps),
            bool((*connection.hops, connection.box)[0].where.proxy_command),
            connection.dialer.config_file,
        )

    async def log_in_by(self, file: Path, passphrase: str) -> None:
        """Prove that a key file alone logs in now; see core.channels.LoginChannels."""
        connection = self._shell.connection
        way = connection.hops[-1] if connection.hops else None
        self._proved = key_type(await connection.dialer.log_in_by(file, passphrase, way))

    async def log_in_again(self, way: socket.socket | None = None) -> None:
        """Prove that a login works now; see core.channels.LoginChannels."""
        offered = await self._shell.connection.dialer.log_in_again(way)
        if way is None:  # else it was another ssh server
            self._offered = offered

    def graphical(self, command: str, display: Display) -> AbstractAsyncContextManager[Channel]:
        """Start a program whose windows open on a display here; see core.channels.Channels.graphical."""
        return graphical(self._shell, command, display)
