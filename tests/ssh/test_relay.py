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


class FarEnd:
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
    near = SocketEnd(
        Traffic(), Backpressure(Mock(spec=asyncssh.SSHClientConnection)), lambda _: None, lambda _: None
    )
    here, there = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: near, sock=here)
    with there:
        yield near, there
    transport.abort()
    await settled(lambda: not near.is_open)


async def test_what_a_program_says_before_the_ends_are_joined_is_passed_on_in_order() -> None:
    far = FarEnd()
    async with unjoined() as (near, there):
        # Some versions of Python read on although connection_made paused it.
        near.data_received(b"one ")
        near.data_received(b"two ")
        there.sendall(b"three")
        near.join(cast("ChannelEnd", far))
        await settled(lambda: far.data == b"one two three")
        assert not far.ended
        there.shutdown(socket.SHUT_WR)
        await settled(lambda: far.ended)


async def test_an_end_before_the_ends_are_joined_is_passed_on_after_the_words() -> None:
    far = FarEnd()
    async with unjoined() as (near, _):
        near.data_received(b"words")
        assert near.eof_received(), "the program still listens"
        near.join(cast("ChannelEnd", far))
        assert (far.data, far.ended) == (b"words", True)
