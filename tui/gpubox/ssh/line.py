"""What all forwards of one connection share: a line that can be full, and that need not be compressed."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Protocol, cast

import asyncssh

_LOG = logging.getLogger(__name__)

_AHEAD = 128 * 1024
"""Bytes that the system may hold unsent: more would only make what is typed wait behind an upload."""
FAST = 4 * 1024 * 1024
"""Bytes in a second from which a line is so fast that compressing slows it: zlib comes to 40 MB/s."""


class Holdable(Protocol):
    """Somebody who sends, and can be told to wait."""

    def hold(self, *, paused: bool) -> None:
        """Wait, or go on."""
        ...


class _Inside(Protocol):
    """The parts of asyncssh's connection that it has no public way to."""

    _cmp_algs: list[bytes]
    _kex_complete: bool
    _kexinit_sent: bool
    _send_kexinit: Callable[[], None]


class Line:
    """Watches one connection for as long as it lives."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.full = False
        """Whether what is to be sent waits for the network."""
        self._connection = connection
        self._senders: set[Holdable] = set()
        self._moved = 0
        self._since = time.monotonic()
        self._compressed = True
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

    def moved(self, size: int) -> None:
        """Count bytes that went through, either way; a fast line is compressed no longer."""
        self._moved += size
        if self._moved < FAST or not self._compressed:
            return
        now = time.monotonic()
        if now - self._since < 1:
            self._compressed = not _uncompress(self._connection)
        self._moved, self._since = 0, now


def _uncompress(connection: asyncssh.SSHClientConnection) -> bool:
    """Agree on new keys, which is when ssh agrees on compression too; return whether that is settled.

    The panel's lines shrink to a tenth by it, but a tunnel through a fast network would be held to a tenth
    of what the network can do. asyncssh has no public way; where a later one lacks this, it stays slow.
    """
    parts = ("_cmp_algs", "_kex_complete", "_kexinit_sent", "_send_kexinit")
    if not all(hasattr(connection, part) for part in parts) or connection.is_closed():
        return True
    inside = cast("_Inside", connection)
    if not inside._kex_complete:  # pyright: ignore[reportPrivateUsage]
        return False
    _LOG.info("the line is fast: compressed no longer")
    inside._cmp_algs = [b"none", b"zlib@openssh.com", b"zlib"]  # pyright: ignore[reportPrivateUsage]
    inside._send_kexinit()  # pyright: ignore[reportPrivateUsage]
    inside._kexinit_sent = True  # pyright: ignore[reportPrivateUsage]
    return True
