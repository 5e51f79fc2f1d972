"""Listens on this machine's loopback, the only address that anything of ours listens on."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from gpubox.core.errors import PortTaken

LOOPBACK = "127.0.0.1"
"""Here and on a box. For `localhost`, sshd binds whichever of 127.0.0.1 and ::1 it gets, and stays silent
about the other.
"""


def listen(port: int) -> socket.socket:
    """Return a socket that listens on `port` of loopback, or on a free one for 0; raises PortTaken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOOPBACK, port))
        made.listen(128)  # two programs may both bind a port that nobody listens on yet
    except OSError as error:
        made.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            hint = "Choose another port" if error.errno == errno.EADDRINUSE else "Take a port above 1023"
            raise PortTaken(f"Port {port} taken", f"{LOOPBACK}:{port}: {error.strerror}", hint) from error
        raise PortTaken("Cannot listen", f"{LOOPBACK}:{port}: {error.strerror}") from error
    return made


@asynccontextmanager
async def serving(server: asyncio.Server) -> AsyncGenerator[None]:
    """Let a server accept connections until the block is left; it was made with `start_serving=False`.

    One that starts by itself and is cancelled meanwhile would go on listening.
    """
    try:
        await server.start_serving()
        yield
    finally:
        server.close()
