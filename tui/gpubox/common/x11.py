"""The set-up of an X11 connection, as every client does it: display names, cookies, greeting and answer."""

from __future__ import annotations

import struct
from typing import Collection, Iterator, List, NamedTuple, Optional, Tuple

FIRST_PORT = 6000
"""Display N listens at this port plus N, where it listens for TCP at all."""
HEAD = 8
"""Bytes of the head of an answer."""
ACCEPTED, REFUSED = 1, 0
"""The first byte of an answer; another one asks for more than a cookie."""
_DIGITS = 4
"""Most digits of a display's number: its port ends at 65535."""
_INTERNET, _INTERNET6, _LOCAL, _WILD = 0, 6, 256, 65535
"""Address families of a cookie: IPv4, IPv6, this machine by its name, and any machine."""


class DisplayAddress(NamedTuple):
    """Where a display is."""

    host: str
    """Empty for this machine's sockets; an absolute path is the socket's own, up to its number."""
    number: int

    @property
    def socket(self) -> str:
        """The path of its socket; empty when it is reached by TCP."""
        if self.host.startswith("/"):
            return "%s:%d" % (self.host, self.number)
        return "" if self.host else "/tmp/.X11-unix/X%d" % self.number


def address(name: str) -> Optional[DisplayAddress]:
    """Parse a DISPLAY; None when it is invalid."""
    host, colon, rest = name.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        return None
    host = host[1:] if host.startswith("[") else host
    host = host[:-1] if host.endswith("]") else host
    return DisplayAddress("" if host == "unix" else host, int(number))


def cookie(data: bytes, number: int, hosts: Collection[str], peer: bytes = b"") -> Tuple[bytes, bytes]:
    """Return the name and the value of a display's cookie in an Xauthority file; empty when it has none.

    `hosts` are the names of this machine, `peer` is the packed IP address at which the display was reached.
    """
    for family, host, entry_number, name, value in _entries(data):
        here = (
            family == _WILD
            or (family == _LOCAL and host.decode("utf-8", "replace") in hosts)
            or (family in (_INTERNET, _INTERNET6) and bool(peer) and host == peer)
        )
        if here and entry_number in (b"", str(number).encode()):
            return name, value
    return b"", b""


def _entries(data: bytes) -> Iterator[Tuple[int, bytes, bytes, bytes, bytes]]:
    position = 0
    try:
        while position < len(data):
            (family,) = struct.unpack_from(">H", data, position)
            position += 2
            fields: List[bytes] = []
            for _ in range(4):
                (length,) = struct.unpack_from(">H", data, position)
                fields.append(data[position + 2 : position + 2 + length])
                position += 2 + length
            if position > len(data):
                return
            yield family, fields[0], fields[1], fields[2], fields[3]
    except struct.error:
        return  # cut short


def greeting(name: bytes, value: bytes) -> bytes:
    """Return the first message of a client, with its cookie."""
    head = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(value))
    return head + _padded(name) + _padded(value)


def rest_of_answer(head: bytes) -> int:
    """Return how many bytes with the reason follow the head of an answer; none when it was accepted."""
    return 0 if head[0] == ACCEPTED else 4 * int(struct.unpack("<H", head[6:8])[0])


def reason(head: bytes, rest: bytes) -> bytes:
    """Return why a display does not take a client, in its own words; hostile until it is cleaned."""
    return rest[: head[1]] if head[0] == REFUSED else rest.rstrip(b"\0")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
