"""Backpressure for all forwards of a connection, which share one send buffer."""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol, cast

import asyncssh

_AHEAD = 128 * 1024
"""Bytes that the system may hold unsent: more would only make what is typed wait behind an upload."""


class Holdable(Protocol):
    """Somebody who sends, and can be told to wait."""

    def hold(self, *, paused: bool) -> None:
        """Wait, or go on."""
        ...


class Backpressure:
    """Watches one connection for as long as it lives."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.full = False
        """Whether what is to be sent waits for the network."""
        self._senders: set[Holdable] = set()
        # asyncssh takes no notice when its transport is full, and would keep megabytes in memory.
        connection.pause_writing = self._pause
        connection.resume_writing = self._resume
        made = cast("socket.socket | None", connection.get_extra_info("socket"))
        if made is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            with contextlib.suppress(OSError):  # the way may be a pipe
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _AHEAD)

    def add(self, sender: Holdable) -> None:
        """Have somebody wait whenever the line is full."""
        self._senders.add(sender)
        if self.full:
            sender.hold(paused=True)

    def remove(self, sender: Holdable) -> None:
        """Forget somebody."""
        self._senders.discard(sender)

    def _pause(self) -> None:
        self.full = True
        for sender in self._senders:
            sender.hold(paused=True)

    def _resume(self) -> None:
        self.full = False
        for sender in tuple(self._senders):
            sender.hold(paused=False)
