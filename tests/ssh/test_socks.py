"""Programs that speak SOCKS to a forwarded port."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.core.channels import Direction, Forward
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.socks import Greeting, SocksRequest
from tests.ssh.carried import echo, free_port, program, with_channels
from tests.ssh.fakes import Folder


async def socks(port: int, *words: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """Greet a SOCKS port piece by piece; returns the streams and what it answered to the last piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    for one in words:
        writer.write(one)
        answer = await reader.read(64)
    return reader, writer, answer


async def test_socks_programs_reach_what_they_ask_for(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with program(echo) as port, channels.forward(Forward(Direction.SOCKS)) as opened:
            number = port.to_bytes(2)
            for greeting in (
                (b"\x05\x01\0", b"\x05\x01\0\x01\x7f\0\0\x01" + number),
                (b"\x05\x02\0\x02", b"\x05\x01\0\x03\x09localhost" + number),
                (b"\x04\x01" + number + b"\x7f\0\0\x01me\0",),
                (b"\x04\x01" + number + b"\0\0\0\x01me\0localhost\0",),
            ):
                reader, writer, answer = await socks(opened.port, *greeting)
                assert answer[1] in (0, 0x5A)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                writer.close()
                await writer.wait_closed()
            assert opened.traffic.sent == opened.traffic.received == 20

    await with_channels(folder, check)


async def test_a_socks_program_is_reported_why_it_gets_nothing(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with channels.forward(Forward(Direction.SOCKS)) as opened:
            nobody = b"\x05\x01\0\x01\x7f\0\0\x01" + free_port().to_bytes(2)
            _, writer, answer = await socks(opened.port, b"\x05\x01\0", nobody)
            assert answer[:2] == b"\x05\x05"
            writer.close()
            away = b"\x05\x01\0\x01\xc0\0\x02\x01\0\x50"
            _, writer, answer = await socks(opened.port, b"\x05\x01\0", away)
            assert answer[:2] == b"\x05\x02"
            writer.close()
            assert opened.traffic.refused == 2

    await with_channels(folder, check)


def test_what_follows_the_greeting_at_once_is_preserved() -> None:
    answer = Greeting().feed(b"\x05\x01\0\x05\x01\0\x03\x01b\0\x50GET /")
    assert (answer.reply, answer.spec, answer.rest) == (b"\x05\0", SocksRequest("b", 80), b"GET /")


def test_a_greeting_may_come_in_single_bytes() -> None:
    greeting = Greeting()
    words = b"\x05\x01\0\x05\x01\0\x04" + bytes(15) + b"\x01\x1f\x90"
    answers = [greeting.feed(bytes([byte])) for byte in words]
    assert not any(answer.wrong for answer in answers)
    assert b"".join(answer.reply for answer in answers) == b"\x05\0"
    assert answers[-1].spec == SocksRequest("::1", 8080)


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x05\x01\x02",  # a password only
        b"\x05\x01\0\x05\x02\0\x01\x7f\0\0\x01\0\x50",  # BIND
        b"\x05\x01\0\x05\x01\0\x09",
        b"\x05\x01\0\x05\x01\0\x09" + bytes(20),
        b"\x05\x01\0\x05\x01\0\x03\x02\xff\xfe\0\x50",
        b"\x05\x01\0\x05\x01\0\x03\0\0\x50\0\0",
        b"\x04\x02\0\x50\x7f\0\0\x01\0",
        b"\x04\x01\0\x50\x7f\0\0\x01" + b"u" * 700,
    ],
)
def test_what_is_no_socks_is_turned_away(words: bytes) -> None:
    answer = Greeting().feed(words)
    if words.endswith(b"\x09"):
        assert answer.spec is None
    else:
        assert answer.wrong
