"""The two ends of a forwarded connection: what is said before they are joined is not lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast
from unittest.mock import Mock

import asyncssh

from gpubox.core.channels import Traffic
from gpubox.ssh.backpressure import Backpressure
from gpubox.ssh.relay import ChannelEnd, SocketEnd
from tests.ssh.fakes import settled


class FakeChannel:
    """Stands for the end that is a channel."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.data += data

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True


@asynccontextmanager
async def unjoined() -> AsyncGenerator[tuple[SocketEnd, socket.socket]]:
    """The end that is a socket, before it has another one, and the program that speaks to it."""
    socket_end = SocketEnd(
        Traffic(), Backpressure(Mock(spec=asyncssh.SSHClientConnection)), lambda _: None, lambda _: None
    )
    here, there = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: socket_end, sock=here)
    with there:
        yield socket_end, there
    transport.abort()
    await settled(lambda: not socket_end.is_open)


async def test_what_a_program_says_before_the_ends_are_joined_is_passed_on_in_order() -> None:
    channel = FakeChannel()
    async with unjoined() as (socket_end, there):
        # Some versions of Python read on although connection_made paused it.
        socket_end.data_received(b"one ")
        socket_end.data_received(b"two ")
        there.sendall(b"three")
        socket_end.join(cast("ChannelEnd", channel))
        await settled(lambda: channel.data == b"one two three")
        assert not channel.ended
        there.shutdown(socket.SHUT_WR)
        await settled(lambda: channel.ended)


async def test_an_end_before_the_ends_are_joined_is_passed_on_after_the_words() -> None:
    channel = FakeChannel()
    async with unjoined() as (socket_end, _):
        socket_end.data_received(b"words")
        assert socket_end.eof_received(), "the program still listens"
        socket_end.join(cast("ChannelEnd", channel))
        assert (channel.data, channel.ended) == (b"words", True)
