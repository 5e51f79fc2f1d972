"""Probes whether the ssh port answers again, so that nobody waits for the next retry."""

from __future__ import annotations

import asyncio
import random
import socket

from gpubox.ssh.tcp_connect import reach

_PERIOD = 0.4
"""Seconds between two probes."""
LIMIT = 1.0
"""Seconds that one probe may take."""
_SSH = b"SSH-"
"""What an ssh server says first, unasked."""


async def knock(host: str, port: int) -> None:
    """Return when an ssh server answers; a probe ends before the key exchange, so it costs a server little.

    A server that answers with anything else, as sshd does when it is asked too often, is not probed again.
    """
    while True:
        await asyncio.sleep(_PERIOD * random.uniform(0.8, 1.0))
        greeting = await _greeting(host, port)
        if greeting == _SSH:
            return
        if greeting:
            await asyncio.Event().wait()


async def _greeting(host: str, port: int) -> bytes:
    """Return the first bytes that a server sends; empty when there is none, or it is silent or hangs up."""
    try:
        async with asyncio.timeout(LIMIT):
            way = await reach(host, port, LIMIT)
            try:
                return await _received(way)
            finally:
                way.close()
    except OSError:
        return b""


async def _received(way: socket.socket) -> bytes:
    data = b""
    while len(data) < len(_SSH):
        more = await asyncio.get_running_loop().sock_recv(way, len(_SSH) - len(data))
        if not more:
            break
        data += more
    return data
