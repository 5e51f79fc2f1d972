"""Backpressure for all forwards of a connection, which share one send buffer."""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol, cast

import asyncssh

_AHEAD = 128 * 1024
"""Bytes that the system may hold unsent: with more, keystrokes wait behind an upload."""


class Holdable(Protocol):
    """A sender that can be paused."""

    def hold(self, *, paused: bool) -> None:
        """Pause or resume."""
        ...


class Backpressure:
    """Watches the send buffer of one connection."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.full = False
        """Whether senders wait for the network."""
        self._senders: set[Holdable] = set()
        # asyncssh ignores a full transport, and would buffer megabytes.
        connection.pause_writing = self._pause
        connection.resume_writing = self._resume
        made = cast("socket.socket | None", connection.get_extra_info("socket"))
        if made is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with contextlib.suppress(OSError):  # the transport may be a pipe
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _AHEAD)

    def add(self, sender: Holdable) -> None:
        """Register a sender, to be paused while the buffer is full."""
        self._senders.add(sender)
        if self.full:
            sender.hold(paused=True)

    def remove(self, sender: Holdable) -> None:
        """Unregister a sender."""
        self._senders.discard(sender)

    def _pause(self) -> None:
        self.full = True
        for sender in self._senders:
            sender.hold(paused=True)

    def _resume(self) -> None:
        self.full = False
        for sender in tuple(self._senders):
            sender.hold(paused=False)
