"""Forwards X11: graphical programs of the box open their windows on a display of this machine."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from asyncssh import ChannelOpenError
from asyncssh.constants import OPEN_REQUEST_X11_FORWARDING_FAILED

from gpubox.core.channels import Display
from gpubox.core.errors import GpuBoxError, RemoteError, ToolMissing
from gpubox.core.sanitize import clean
from gpubox.ssh.channel import SshChannel
from gpubox.ssh.shell import SshShell

_FIND_XAUTH = "command -v xauth || test -x /usr/bin/xauth || test -x /usr/X11R6/bin/xauth"
"""Where sshd looks for xauth, by how it was built."""

_UNTIL_EOF = (
    "exec 3<&0; "
    'case "$(ps -o pgid= -p $$ 2>/dev/null | tr -d " ")" in $$) all=0;; *) all=;; esac; '
    '"${SHELL:-/bin/sh}" -c "$1" </dev/null 3<&- & p=$!; '
    '{ cat <&3; trap "" TERM; kill -TERM ${all:-$p}; sleep 1; kill -KILL ${all:-$p}; } '
    ">/dev/null 2>&1 & w=$!; "
    "wait $p; s=$?; kill -KILL $w 2>/dev/null; exit $s"
)
"""Runs a program until it ends or stdin does.

The end of its channel is no word to a program with windows: they go through the link, not through the
channel, and sshd passes no signals on in logins as root. What the program started is its group, as sshd
gives each command one; elsewhere only the program itself is ended.
"""
_BY_THE_BOX = "X11 forwarding request failed"
"""asyncssh's message when the box refused; others are its own errors."""


@asynccontextmanager
async def graphical(shell: SshShell, command: str, display: Display) -> AsyncGenerator[SshChannel]:
    """Start a program whose windows open on `display`; see core.channels.Channels.graphical."""
    session = shell.session(
        f"exec sh -c {shlex.quote(_UNTIL_EOF)} sh {shlex.quote(command)}",
        x11_forwarding=True,
        x11_display=display.name,
        x11_auth_path=display.authority or None,
    )
    async with AsyncExitStack() as stack:
        try:
            channel = await stack.enter_async_context(session)
        except RemoteError as error:
            raise await _why(shell, error) from error
        yield channel


async def _why(shell: SshShell, error: RemoteError) -> GpuBoxError:
    """Distinguish a box without xauth from one that forwards no X11: sshd does not say."""
    refused = error.__cause__
    if not isinstance(refused, ChannelOpenError) or refused.code != OPEN_REQUEST_X11_FORWARDING_FAILED:
        return error
    if refused.reason != _BY_THE_BOX:
        return RemoteError(
            "Another display is in use",
            f"Windows of this box open on another display already ({clean(refused.reason, 80)})",
            "Close the programs that run there first: one link serves one display",
        )
    found = await shell.run(_FIND_XAUTH)
    if found.ok:
        return error
    return ToolMissing(
        "No xauth on the box",
        "sshd forwards no windows without it",
        "There: apt install xauth, or dnf install xorg-x11-xauth; then try again",
    )
