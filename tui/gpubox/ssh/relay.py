"""Relays one forwarded connection between a local socket and a channel of the box."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import cast

import asyncssh

from gpubox.core.channels import Traffic
from gpubox.ssh.backpressure import Backpressure
from gpubox.ssh.socks import Greeting, SocksRequest

WINDOW = 2 * 1024 * 1024
"""The receive window of a channel, in bytes."""
PACKET = 128 * 1024
"""Largest packet that the box may send: time is spent per packet, not per byte."""
_BUFFER = 512 * 1024
"""Bytes that wait for a slow program on this machine before the channel is paused."""


class SocketEnd(asyncio.Protocol):
    """The end on this machine; it counts, and closes both ends together.

    `ready` is called once it is known where the connection is to come out: at once, or after the
    greeting of a SOCKS program. Until `join` nothing is read from the program.
    """

    def __init__(
        self,
        traffic: Traffic,
        line: Backpressure,
        ready: Callable[[SocketEnd], None],
        gone: Callable[[SocketEnd], None],
        greeting: Greeting | None = None,
    ) -> None:
        self.spec: SocksRequest | None = None
        """The destination that a SOCKS program requested."""
        self._traffic = traffic
        self._line = line
        self._ready = ready
        self._gone = gone
        self._greeting = greeting
        self._early = b""
        self._transport: asyncio.Transport | None = None
        self._channel_end: ChannelEnd | None = None
        self._ended_here = False
        self._ended_there = False
        self._holds = 0

    @property
    def peer(self) -> tuple[str, int]:
        """Address and port of the program that connected."""
        if self._transport is not None:
            name: object = self._transport.get_extra_info("peername")
            if isinstance(name, tuple):
                host, port = cast("tuple[str, int]", name[:2])
                return host, port
        return "127.0.0.1", 0

    @property
    def is_open(self) -> bool:
        """Whether the program is still connected."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the program's connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(_BUFFER)
        self._traffic.open += 1
        self._traffic.total += 1
        if self._greeting is None:
            self.hold(paused=True)
            self._ready(self)

    def join(self, channel_end: ChannelEnd) -> None:
        """Connect the two ends."""
        self._channel_end = channel_end
        if self._transport is None:
            channel_end.close()
            return
        if self._greeting is not None:
            self._transport.write(self._greeting.accepted())
            self._greeting = None
        if self._early:
            self._send(self._early)
            self._early = b""
        if self._ended_here:
            channel_end.write_eof()
        self._line.add(self)
        self.hold(paused=False)

    def refuse(self, *, forbidden: bool) -> None:
        """Close the program's connection: the box refused it."""
        if self._transport is None:
            return
        if self._greeting is not None:
            self._transport.write(self._greeting.refused(forbidden=forbidden))
            self._transport.close()
        else:
            made = cast("socket.socket", self._transport.get_extra_info("socket"))
            with contextlib.suppress(OSError):  # a reset says "nobody there"; an end would say "no answer"
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def abort(self) -> None:
        """Abort both ends."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Forward what the program sends."""
        assert self._transport is not None
        if self._channel_end is not None:
            self._send(data)
            return
        if self._greeting is None or self.spec is not None:
            self._early += data  # read already when the reading was paused
            # Python before 3.11.4 forgets a pause in connection_made, and thinks that it is paused.
            self._transport.resume_reading()
            self._transport.pause_reading()
            return
        answer = self._greeting.feed(data)
        if answer.reply:
            self._transport.write(answer.reply)
        if answer.wrong:
            self._transport.close()
        elif answer.spec is not None:
            self.spec, self._early = answer.spec, answer.rest
            self.hold(paused=True)
            self._ready(self)

    def _send(self, data: bytes) -> None:
        self._traffic.sent += len(data)
        if self._channel_end is not None:
            self._channel_end.write(data)

    def eof_received(self) -> bool:
        """Forward the program's EOF; it may still read."""
        self._ended_here = True
        if self._channel_end is None:
            return self._greeting is None or self.spec is not None  # passed on when the ends are joined
        self._channel_end.write_eof()
        return not self._ended_there

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the channel too."""
        self._transport = None
        self._line.remove(self)
        self._traffic.open -= 1
        if self._channel_end is not None:
            self._channel_end.close()
        self._gone(self)

    def pause_writing(self) -> None:
        """Pause the box for a slow program."""
        if self._channel_end is not None:
            self._channel_end.pause(paused=True)

    def resume_writing(self) -> None:
        """Resume the box."""
        if self._channel_end is not None:
            self._channel_end.pause(paused=False)

    def deliver(self, data: bytes) -> None:
        """Pass bytes from the box to the program."""
        self._traffic.received += len(data)
        if self._transport is not None:
            self._transport.write(data)

    def hold(self, *, paused: bool) -> None:
        """Pause or resume reading from the program, counting the reasons to pause."""
        self._holds += 1 if paused else -1
        if self._transport is None or self._ended_here:
            return
        if self._holds:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def ended(self) -> None:
        """Forward the box's EOF."""
        self._ended_there = True
        if self._transport is None:
            return
        if self._ended_here:
            self._transport.close()
        elif self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def lost(self, exc: Exception | None) -> None:
        """Close after the channel: cleanly, or abort when the link dropped."""
        self._channel_end = None
        if self._transport is None:
            return
        if exc is None:
            self._transport.close()
        else:
            self._transport.abort()


class ChannelEnd(asyncssh.SSHTCPSession[bytes]):
    """The end that is a channel, to a port or to a unix socket of the box."""

    def __init__(self, socket_end: SocketEnd) -> None:
        self._socket_end = socket_end
        self._channel: asyncssh.SSHTCPChannel[bytes] | None = None
        self._paused = False
        self._resuming = False

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """Take the channel."""
        self._channel = chan
        chan.set_write_buffer_limits(_BUFFER)

    def session_started(self) -> None:
        """Connect the two ends: data from the program is sent from now on."""
        self._socket_end.join(self)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Forward what the box sends."""
        self._socket_end.deliver(data)

    def eof_received(self) -> bool:
        """Forward EOF; this side may still send."""
        self._socket_end.ended()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other end too."""
        self._channel = None
        self._socket_end.lost(exc)

    def pause_writing(self) -> None:
        """Pause the program."""
        self._socket_end.hold(paused=True)

    def resume_writing(self) -> None:
        """Resume the program."""
        self._socket_end.hold(paused=False)

    def write(self, data: bytes) -> None:
        """Send to the box; data after the channel's end is dropped."""
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data)  # pyright: ignore[reportUnknownMemberType]

    def write_eof(self) -> None:
        """Send EOF to the box."""
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write_eof()

    def pause(self, *, paused: bool) -> None:
        """Pause or resume reading from the box."""
        self._paused = paused
        if self._channel is None or self._resuming:
            return
        if not paused:
            # All that asyncssh holds back is taken before another pause: see Session in ssh.channel.
            self._resuming = True
            self._channel.resume_reading()
            self._resuming = False
        if self._paused:
            self._channel.pause_reading()

    def close(self) -> None:
        """Close the channel after what is still to be sent."""
        if self._channel is not None:
            self._channel.close()
