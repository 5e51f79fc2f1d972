"""The ways through one open ssh connection besides commands; each is a module of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from gpubox.core.doors import Forward, Listening
from gpubox.ssh.forward import forward
from gpubox.ssh.line import Line
from gpubox.ssh.shell import SshShell


class SshDoors:
    """See core.doors.Doors. Lives as long as its shell."""

    def __init__(self, shell: SshShell) -> None:
        self._shell = shell
        self._line = Line(shell.connection.ssh)

    def forward(self, wish: Forward) -> AbstractAsyncContextManager[Listening]:
        """Open a forward on loopback; see core.doors.Doors.forward."""
        return forward(self._shell, self._line, wish)
