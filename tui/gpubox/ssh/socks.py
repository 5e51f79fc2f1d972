"""The SOCKS handshake of local programs: parses their request and writes the reply."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

_LONGEST = 600
"""Bytes of the longest handshake: a user and a host name of 255 each, and the rest."""
_CONNECT = 1
_WIDTHS = {1: 4, 4: 16}
"""Bytes of a SOCKS5 address by its kind; kind 3 is a name with its length before it."""
_NAME = 3


@dataclass(frozen=True, slots=True)
class SocksRequest:
    """The destination that a program asks for."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of feeding a piece of the handshake."""

    reply: bytes = b""
    """To be sent at once."""
    spec: SocksRequest | None = None
    """Set at the end of the handshake."""
    rest: bytes = b""
    """Data after the handshake: the first bytes of the connection."""
    wrong: bool = False
    """Whether this is no SOCKS, or an unsupported part of it."""


class Greeting:
    """Parses the handshake of one program: SOCKS5 without a password, SOCKS4 and SOCKS4a; CONNECT only."""

    def __init__(self) -> None:
        self._data = b""
        self._greeted = False

    def feed(self, data: bytes) -> Answer:
        """Take the next bytes."""
        self._data += data
        if not self._data:
            return Answer()
        if self._data[0] == 5:
            answer = self._request() if self._greeted else self._methods()
        elif self._data[0] == 4:
            answer = self._four()
        else:
            return Answer(wrong=True)
        return answer or Answer(wrong=len(self._data) > _LONGEST)

    def accepted(self) -> bytes:
        """The reply when the connection is open."""
        return b"\0\x5a" + bytes(6) if self._data[:1] == b"\x04" else b"\x05\0\0\x01" + bytes(6)

    def refused(self, *, forbidden: bool) -> bytes:
        """The reply when the box refused the connection."""
        if self._data[:1] == b"\x04":
            return b"\0\x5b" + bytes(6)
        return b"\x05" + (b"\x02" if forbidden else b"\x05") + b"\0\x01" + bytes(6)

    def _methods(self) -> Answer | None:
        if len(self._data) < 2 or len(self._data) < 2 + self._data[1]:
            return None
        end = 2 + self._data[1]
        methods, rest = self._data[2:end], self._data[end:]
        if 0 not in methods:
            return Answer(b"\x05\xff", wrong=True)
        self._greeted, self._data = True, b""
        after = self.feed(rest)
        return Answer(b"\x05\0" + after.reply, after.spec, after.rest, after.wrong)

    def _request(self) -> Answer | None:
        data = self._data
        if len(data) < 5:
            return None
        if data[1] != _CONNECT:
            return Answer(b"\x05\x07\0\x01" + bytes(6), wrong=True)
        kind = data[3]
        if kind == _NAME:
            start, width = 5, data[4]
        elif kind in _WIDTHS:
            start, width = 4, _WIDTHS[kind]
        else:
            return Answer(b"\x05\x08\0\x01" + bytes(6), wrong=True)
        end = start + width
        if len(data) < end + 2:
            return None
        raw = data[start:end]
        host = raw.decode("ascii", "replace") if kind == _NAME else str(ipaddress.ip_address(raw))
        return self._done(host, data[end : end + 2], data[end + 2 :])

    def _four(self) -> Answer | None:
        if len(self._data) < 8:
            return None
        if self._data[1] != _CONNECT:
            return Answer(b"\0\x5b" + bytes(6), wrong=True)
        address = self._data[4:8]
        _, user_ends, rest = self._data[8:].partition(b"\0")
        if not user_ends:
            return None
        host = str(ipaddress.ip_address(address))
        if address[:3] == bytes(3) and address[3]:  # 0.0.0.x: the name comes behind the user
            name, name_ends, rest = rest.partition(b"\0")
            if not name_ends:
                return None
            host = name.decode("ascii", "replace")
        return self._done(host, self._data[2:4], rest)

    def _done(self, host: str, port: bytes, rest: bytes) -> Answer:
        if not host or not host.isprintable() or "\ufffd" in host:
            return Answer(self.refused(forbidden=False), wrong=True)
        return Answer(spec=SocksRequest(host, int.from_bytes(port)), rest=rest)
