"""Channels of one open ssh connection besides commands; each kind is a module of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from gpubox.core.channels import Display, Forward, Listening, Pipes, Terminal, TerminalSpec
from gpubox.core.shell import Channel
from gpubox.ssh.backpressure import Backpressure
from gpubox.ssh.forward import forward
from gpubox.ssh.shell import SshShell
from gpubox.ssh.terminal import pipes, terminal
from gpubox.ssh.x11 import graphical


class SshChannels:
    """See core.channels.Channels. Lives as long as its shell."""

    def __init__(self, shell: SshShell) -> None:
        self._shell = shell
        self._line = Backpressure(shell.connection.ssh)

    def forward(self, spec: Forward) -> AbstractAsyncContextManager[Listening]:
        """Open a forward on loopback; see core.channels.Channels.forward."""
        return forward(self._shell, self._line, spec)

    def terminal(self, command: str | None, spec: TerminalSpec) -> AbstractAsyncContextManager[Terminal]:
        """Start a program behind a terminal; see core.channels.Channels.terminal."""
        return terminal(self._shell, command, spec)

    def pipes(self, command: str | None) -> AbstractAsyncContextManager[Pipes]:
        """Start a command with three pipes; see core.channels.Channels.pipes."""
        return pipes(self._shell, command)

    def graphical(self, command: str, display: Display) -> AbstractAsyncContextManager[Channel]:
        """Start a program whose windows open on a display here; see core.channels.Channels.graphical."""
        return graphical(self._shell, command, display)
