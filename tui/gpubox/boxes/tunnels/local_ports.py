"""Local ports: which to listen on, which one a tunnel had before, and who holds one that is taken."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterator

from gpubox.core.channels import Direction, Forward
from gpubox.core.sanitize import clean
from gpubox.store.store import Store

_TRIES = 30
"""Ports after the preferred one that are tried before any free one."""
_LOWEST = 1024
"""Below it only root may listen."""
_HOME = (20_000, 10_000)
"""Range of ports for tunnels without a natural number; no system allocates these itself."""
_SOCKS = 1080


class Ports:
    """Assigns a local port to each tunnel of a box: the same one each time, if possible."""

    def __init__(self, box: str, store: Store | None = None) -> None:
        self._box = box
        self._store = store
        self._all: dict[tuple[str, str], int] = {}
        self._stored: set[str] = set()

    async def load(self) -> None:
        """Load the ports from disk; later calls load changes of other windows."""
        if self._store is not None:
            self._all |= await self._store.state.ports()

    def candidates(self, spec: Forward, name: str, before: int) -> Iterator[int]:
        """Yield ports to listen on for a tunnel, the best first; `before` is where it listened, or 0."""
        own = self._all.get((self._box, name), 0)
        others = {port for key, port in self._all.items() if key != (self._box, name)}
        return candidates(spec, name, before or spec.listen_port or own, others)

    async def keep(self, spec: Forward, name: str, port: int) -> None:
        """Remember the port of a tunnel.

        A remembered port stays unless the user chose another: its present holder may be gone next time.
        """
        key = (self._box, name)
        if key in self._all and spec.listen_port != port:
            return
        if self._all.get(key) != port or name not in self._stored:
            self._all[key] = port
            self._stored.add(name)
            if self._store is not None:
                await self._store.state.add_port(self._box, name, port)


def candidates(spec: Forward, name: str, said: int, others: Collection[int]) -> Iterator[int]:
    """Yield ports to listen on, the best first; 0, any free one, comes last.

    The best is `said`, or if that is 0 the number that the service has on the box. `others` are
    ports that belong to other tunnels, whether those are open or not: they come back.
    """
    preferred = said or _natural(spec, name)
    if said or preferred not in others:
        yield preferred
    for port in range(preferred + 1, min(preferred + _TRIES, 65535) + 1):
        if port not in others:
            yield port
    yield 0


def _natural(spec: Forward, name: str) -> int:
    if spec.way is Direction.SOCKS:
        return _SOCKS
    if not spec.path and spec.port >= _LOWEST:
        return spec.port
    first, count = _HOME
    return first + zlib.crc32(name.encode()) % count


def holder(port: int) -> str:
    """Return who listens on a local port, such as `jupyter-lab (4711)`; empty when unknown.

    Call it in a thread: it searches all processes, which takes 10 to 200 ms.
    """
    import psutil

    try:
        connections = psutil.net_connections("tcp")
    except (psutil.Error, OSError, RuntimeError):
        return ""  # macOS answers only root
    listeners = [
        connection.pid
        for connection in connections
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port
    ]
    if not listeners:
        return ""
    pid = next((one for one in listeners if one), None)
    if pid is None:
        return "a program of another user"
    if pid == os.getpid():
        return "another tunnel of this program"
    try:
        return f"{clean(psutil.Process(pid).name(), 40)} ({pid})"
    except (psutil.Error, OSError):
        return f"process {pid}"
