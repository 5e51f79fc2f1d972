"""Parsers of the kernel's tables of sockets: what listens on a machine, and who was connected to it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterator, Optional

    Row = Dict[str, Any]

LISTENS = "0A"
"""State of a TCP socket that listens, as the kernel writes it."""
ESTABLISHED = "01"
TIME_WAIT = "06"
WAITS = 60.0
"""Seconds for which Linux keeps a connection that this end closed first; no setting changes that."""
TICKS = 100.0
"""Units of the kernel's timers in /proc for a second, on every architecture that has a GPU driver."""
ACCEPTS = 0x10000
"""Flag of a unix socket that listens."""
WORDS = 60
"""Words of the command line of what listens."""


def address(word: str) -> str:
    """Return an address of /proc/net/tcp or tcp6 in the usual notation; raises ValueError.

    The kernel prints each 32 bits as one number of the machine's own byte order.
    """
    data = bytes.fromhex(word)
    if sys.byteorder == "little":
        data = b"".join(data[place : place + 4][::-1] for place in range(0, len(data), 4))
    if len(data) == 4:
        return ".".join(str(byte) for byte in data)
    if len(data) != 16:
        raise ValueError(word)
    if data[:12] == b"\0" * 10 + b"\xff\xff":
        return ".".join(str(byte) for byte in data[12:])
    if data[:15] == b"\0" * 15 and data[15] < 2:
        return "::1" if data[15] else "::"
    return ":".join("%x" % (data[place] << 8 | data[place + 1]) for place in range(0, 16, 2))


def port_of(address: str) -> int:
    """Return the port of an address of /proc/net/tcp, `0100007F:22B8`; 0 where there is none."""
    try:
        port = int(address.rpartition(":")[2], 16)
    except ValueError:
        return 0
    return port if 0 < port < 65536 else 0


def listeners(table: str) -> Iterator[Row]:
    """Yield the sockets that listen in lines of /proc/net/tcp and tcp6; other lines are passed over."""
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[3] != LISTENS:
            continue
        try:
            row: Row = {
                "host": address(fields[1].rpartition(":")[0]),
                "port": port_of(fields[1]),
                "uid": int(fields[7]),
                "inode": int(fields[9]),
            }
        except ValueError:
            continue
        if row["port"] and 0 <= row["uid"] < 1 << 32:
            yield row


def connections(table: str) -> Iterator[Row]:
    """Yield the connections of the last minute in lines of /proc/net/tcp and tcp6.

    Each has both its ends, and `age`: the seconds since it was closed, 0 while it is open. An attempt that
    was refused or is not answered is none. A connection that the other end closed first leaves no row, so
    a missing row proves nothing.
    """
    for line in table.splitlines():
        fields = line.split(None, 6)
        if len(fields) < 6 or fields[3] not in (ESTABLISHED, TIME_WAIT):
            continue
        age = 0.0 if fields[3] == ESTABLISHED else _closed(fields[5])
        if age is None:
            continue
        try:
            row: Row = {
                "host": address(fields[1].rpartition(":")[0]),
                "port": port_of(fields[1]),
                "peer": address(fields[2].rpartition(":")[0]),
                "peer_port": port_of(fields[2]),
                "age": age,
            }
        except ValueError:
            continue
        if row["port"] and row["peer_port"]:
            yield row


def _closed(timer: str) -> Optional[float]:
    """Return how long ago a connection was closed, by what is left of its timer: `03:0000149E`."""
    try:
        left = int(timer.rpartition(":")[2], 16) / TICKS
    except ValueError:
        return None
    return round(WAITS - left, 1) if 0 <= left <= WAITS else None


def sockets(table: str) -> Iterator[Row]:
    """Yield the unix sockets that listen and have a path, in lines of /proc/net/unix."""
    for line in table.splitlines():
        fields = line.split(None, 7)
        if len(fields) < 8 or not fields[7].startswith("/"):
            continue
        try:
            if int(fields[3], 16) & ACCEPTS:
                yield {"path": fields[7], "inode": int(fields[6])}
        except ValueError:
            continue
