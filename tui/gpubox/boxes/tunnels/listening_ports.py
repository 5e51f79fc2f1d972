"""Reads which ports of a box are listening, without connecting to any of them."""

from __future__ import annotations

from gpubox.common.listeners import listeners
from gpubox.core.shell import Shell

_COMMAND = "grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6"


async def listening(shell: Shell) -> frozenset[int] | None:
    """Return the listening ports, or None where the box has no /proc.

    Raises Dropped and RemoteError as Shell.run does.
    """
    result = await shell.run(_COMMAND)
    found = frozenset(row["port"] for row in listeners(result.stdout.decode("ascii", "replace")))
    return found or None  # a box with a login has one listener at least: none means that it hides them
