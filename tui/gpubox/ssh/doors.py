"""The ways through one open ssh connection besides commands; each is a module of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from gpubox.core.doors import Display, Forward, Listening, Pipes, Terminal, TerminalWish
from gpubox.core.shell import Channel
from gpubox.ssh.forward import forward
from gpubox.ssh.line import Line
from gpubox.ssh.shell import SshShell
from gpubox.ssh.terminal import pipes, terminal
from gpubox.ssh.x11 import graphical


class SshDoors:
    """See core.doors.Doors. Lives as long as its shell."""

    def __init__(self, shell: SshShell) -> None:
        self._shell = shell
        self._line = Line(shell.connection.ssh)

    def forward(self, wish: Forward) -> AbstractAsyncContextManager[Listening]:
        """Open a forward on loopback; see core.doors.Doors.forward."""
        return forward(self._shell, self._line, wish)

    def terminal(self, command: str | None, wish: TerminalWish) -> AbstractAsyncContextManager[Terminal]:
        """Start a program behind a terminal; see core.doors.Doors.terminal."""
        return terminal(self._shell, command, wish)

    def pipes(self, command: str | None) -> AbstractAsyncContextManager[Pipes]:
        """Start a command with three pipes; see core.doors.Doors.pipes."""
        return pipes(self._shell, command)

    def graphical(self, command: str, display: Display) -> AbstractAsyncContextManager[Channel]:
        """Start a program whose windows open on a display here; see core.doors.Doors.graphical."""
        return graphical(self._shell, command, display)
