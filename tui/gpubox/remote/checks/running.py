"""The processes, open ports and connections of the box, read once for all sections that ask."""

from __future__ import annotations

import threading
import time
from itertools import islice
from typing import Any, Dict, List, NamedTuple, Optional

from gpubox.common.listeners import connections, listeners
from gpubox.remote import services
from gpubox.remote.kernel_files import contents, read_text, rooted

MOST = 20000
"""Most processes that are read."""
CONNECTIONS = 20000
"""Most connections that are read."""
SECONDS = 1.0
"""CPU seconds for finding who holds the sockets."""
LOCAL = ("127.", "::1")
"""How addresses begin that no other machine reaches."""


class NamedProcess(NamedTuple):
    """A process of any user."""

    pid: int
    uid: int
    name: str
    """The name of its program, cut to 15 characters by the kernel."""


class OpenPort(NamedTuple):
    """A TCP socket that listens."""

    host: str
    port: int
    uid: int
    pid: Optional[int]
    """None where the process of another user holds it, and this login may not see that."""


class TcpConnection(NamedTuple):
    """A TCP connection that is open, or was closed by this box within the last minute."""

    host: str
    port: int
    peer: str
    peer_port: int
    age: float
    """Seconds since it was closed, 0 while it is open."""


_lock = threading.Lock()
_processes: Dict[str, List[NamedProcess]] = {}
_tables: Dict[str, str] = {}
_ports: Dict[str, List[OpenPort]] = {}


def processes() -> List[NamedProcess]:
    """Return the processes of all users, by pid.

    Their command lines are not read: that would hang with a process that hangs in the kernel.
    """
    root = rooted("")
    with _lock:
        if root not in _processes:
            found = sorted(services.processes()[:MOST])
            named = [
                NamedProcess(pid, uid, read_text(rooted("/proc/%d/comm" % pid), 64)) for pid, uid in found
            ]
            _processes[root] = [one for one in named if one.name]
        return _processes[root]


def named(*names: str) -> List[NamedProcess]:
    """Return the processes whose program has one of these names; longer ones are cut as the kernel does."""
    cut = {name[:15] for name in names}
    return [one for one in processes() if one.name in cut]


def table() -> str:
    """Return the lines of /proc/net/tcp and tcp6."""
    root = rooted("")
    with _lock:
        if root not in _tables:
            data = b"".join(contents(rooted("/proc/net/" + name), services.TABLE) for name in ("tcp", "tcp6"))
            _tables[root] = data.decode("ascii", "replace")
        return _tables[root]


def connected() -> List[TcpConnection]:
    """Return the TCP connections of the last minute, as far as the kernel still knows them."""
    rows = islice(connections(table()), CONNECTIONS)
    return [
        TcpConnection(row["host"], row["port"], row["peer"], row["peer_port"], row["age"]) for row in rows
    ]


def ports() -> List[OpenPort]:
    """Return the TCP sockets that listen, each with its process where this login may see it."""
    root = rooted("")
    with _lock:
        if root in _ports:
            return _ports[root]
    rows = list(listeners(table()))[: services.MOST]
    by_socket: Dict[str, List[Dict[str, Any]]] = {}
    for row in rows:
        by_socket.setdefault("socket:[%s]" % row["inode"], []).append(row)
    services.holders(by_socket, services.processes(), time.process_time() + SECONDS)
    found = [OpenPort(row["host"], row["port"], row["uid"], row.get("pid")) for row in rows]
    with _lock:
        _ports[root] = found
    return found


def is_local(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    return host.startswith(LOCAL)
