"""Reads which ports of a box are listening, without connecting to any of them."""

from __future__ import annotations

import re

from gpubox.core.shell import Shell

_COMMAND = "grep -h ' 0A ' /proc/net/tcp /proc/net/tcp6"
_LISTEN = "0A"
"""State of a socket that listens, as the kernel writes it."""
_PORT = re.compile("[0-9A-Fa-f]{1,4}")


def parse(text: str) -> frozenset[int]:
    """Return the ports of the listening sockets in lines of /proc/net/tcp and tcp6."""
    found: set[int] = set()
    for line in text.splitlines():
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTEN:
            _, colon, port = fields[1].rpartition(":")
            if colon and _PORT.fullmatch(port):
                found.add(int(port, 16))
    return frozenset(found - {0})


async def listening(shell: Shell) -> frozenset[int] | None:
    """Return the listening ports, or None where the box has no /proc.

    Raises Dropped and RemoteError as Shell.run does.
    """
    result = await shell.run(_COMMAND)
    found = parse(result.stdout.decode("ascii", "replace"))
    return found or None  # a box with a login has one listener at least: none means that it hides them
