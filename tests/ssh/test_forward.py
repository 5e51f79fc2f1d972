"""Ports that are forwarded through an open link."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.core.ask import Nobody
from gpubox.core.doors import Forward, Traffic, Way
from gpubox.core.errors import Dropped, GpuBoxError, PortTaken, RemoteError
from gpubox.core.shell import Shell
from gpubox.ssh.doors import SshDoors
from gpubox.ssh.link import SshLink
from gpubox.ssh.server import serve
from gpubox.ssh.shell import SshShell
from gpubox.ssh.socks import Greeting, Wish
from tests.ssh.fakes import QUICK, Folder, kept, listening, settled
from tests.ssh.wire import wire

Check = Callable[[SshDoors], Awaitable[None]]
BIG = 3_000_000
"""Bytes that fill every buffer on the way."""


async def with_doors(folder: Folder, check: Check, **environment: str) -> None:
    """Do a check with the doors of a link to a server that forwards what stays on this machine."""
    key, host_key = folder.login_key, folder.host_key
    serving = serve(
        authorized_key=key.export_public_key().decode(),
        host_key=host_key.export_private_key().decode(),
        home=folder.path,
        environment=environment,
    )
    async with serving as server:
        folder.known_hosts.write_text(server.known_hosts)
        await over(SshLink("box", folder.wanted(server.port), Nobody(), QUICK), check)


async def over(link: SshLink, check: Check) -> None:
    """Do a check with the doors of a link; what it raises, this raises."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work(shell: Shell) -> None:
        assert isinstance(shell, SshShell)
        try:
            await check(SshDoors(shell))
        except Exception as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)

    async with kept(link, work), asyncio.timeout(20):
        await done


@asynccontextmanager
async def program(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], path: Path | None = None
) -> AsyncGenerator[int]:
    """Run a program of the box that listens; yields its port, or 0 for a socket at `path`."""
    talking: set[asyncio.Task[None]] = set()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        try:
            with contextlib.suppress(OSError):
                await talk(reader, writer)
                writer.close()
                await writer.wait_closed()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            talking.discard(task)

    if path is None:
        server = await asyncio.start_server(once, "127.0.0.1", 0)
        port = int(server.sockets[0].getsockname()[1])
    else:
        server, port = await asyncio.start_unix_server(once, path), 0
    try:
        yield port
    finally:
        server.close()
        for task in tuple(talking):
            task.cancel()
        await server.wait_closed()
        await settled(lambda: not talking)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read everything, then say how much it was: needs a half-closed connection."""
    size = 0
    while data := await reader.read(65536):
        size += len(data)
    writer.write(b"%d" % size)


async def asked(port: int, words: bytes) -> bytes:
    """Say something to a port of this machine and return the whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_local_forward_carries_and_counts_both_ways(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with program(echo) as port, doors.forward(Forward(Way.LOCAL, port=port)) as opened:
            assert opened.traffic == Traffic()
            assert await asked(opened.port, b"x" * BIG) == b"x" * BIG
            await settled(lambda: not opened.traffic.open)
            assert opened.traffic == Traffic(sent=BIG, received=BIG, total=1)

    await with_doors(folder, check)


async def test_one_side_may_end_while_the_other_still_speaks(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with program(count) as port, doors.forward(Forward(Way.LOCAL, port=port)) as opened:
            assert await asked(opened.port, b"x" * BIG) == b"%d" % BIG

    await with_doors(folder, check)


async def test_a_forward_listens_on_loopback_only(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with doors.forward(Forward(Way.LOCAL, port=9)) as opened:
            assert listeners(opened.port) == [f"0100007F:{opened.port:04X}"]

    await with_doors(folder, check)


async def test_a_slow_program_does_not_fill_this_machine(folder: Folder) -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async def check(doors: SshDoors) -> None:
        async with program(flood) as port, doors.forward(Forward(Way.LOCAL, port=port)) as opened:
            with socket.create_connection(("127.0.0.1", opened.port)) as slow:
                slow.setblocking(False)
                before = -1
                while before != sent:  # nobody reads: it has to come to rest
                    before = sent
                    await asyncio.sleep(0.3)
                assert 0 < opened.traffic.received < 16 * 1024 * 1024

    await with_doors(folder, check)


async def test_a_unix_socket_of_the_box_is_reached_by_a_port(folder: Folder) -> None:
    path = folder.path / "app.sock"

    async def check(doors: SshDoors) -> None:
        wish = Forward(Way.LOCAL, path=str(path))
        async with program(echo, path), doors.forward(wish) as opened:
            assert await asked(opened.port, b"hello") == b"hello"

    await with_doors(folder, check)


async def test_the_box_reaches_a_port_of_this_machine(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with program(count) as port, doors.forward(Forward(Way.REMOTE, port=port)) as opened:
            assert await asked(opened.port, b"x" * BIG) == b"%d" % BIG
            await settled(lambda: not opened.traffic.open)
            size = len(str(BIG))
            assert opened.traffic == Traffic(sent=size, received=BIG, total=1)
        with pytest.raises(ConnectionRefusedError):
            await asked(opened.port, b"")

    await with_doors(folder, check)


async def test_a_remote_forward_to_nobody_counts_a_refusal(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with doors.forward(Forward(Way.REMOTE, port=free_port())) as opened:
            with contextlib.suppress(OSError):
                assert await asked(opened.port, b"") == b""
            assert opened.traffic.refused == 1
            assert "refused" in opened.traffic.refusal.lower()

    await with_doors(folder, check)


async def test_a_port_that_is_taken_on_the_box_says_so(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with program(echo) as port:
            with pytest.raises(PortTaken) as raised:
                async with doors.forward(Forward(Way.REMOTE, listen_port=port, port=1)):
                    pass
            assert str(port) in raised.value.text

    await with_doors(folder, check)


async def test_a_port_that_is_taken_here_says_so(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with program(echo) as port:
            with pytest.raises(PortTaken) as raised:
                async with doors.forward(Forward(Way.LOCAL, listen_port=port, port=1)):
                    pass
            assert raised.value.title == f"Port {port} taken"

    await with_doors(folder, check)


async def test_a_box_that_is_this_machine_gets_no_port_that_leads_to_itself(folder: Folder) -> None:
    port = free_port()

    async def check(doors: SshDoors) -> None:
        with pytest.raises(PortTaken, match="is this machine"):
            async with doors.forward(Forward(Way.LOCAL, listen_port=port, port=port)):
                pass

    await with_doors(folder, check)


async def test_where_nobody_listens_the_program_is_reset_and_the_refusal_counted(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with doors.forward(Forward(Way.LOCAL, port=free_port())) as opened:
            with pytest.raises(ConnectionResetError):
                await asked(opened.port, b"")
            assert (opened.traffic.refused, opened.traffic.forbidden) == (1, False)
            assert opened.traffic.refusal

    await with_doors(folder, check)


async def test_what_the_server_forbids_is_told_from_what_does_not_listen(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with doors.forward(Forward(Way.LOCAL, port=9)) as opened:
            with pytest.raises(ConnectionResetError):
                await asked(opened.port, b"")
            assert (opened.traffic.refused, opened.traffic.forbidden) == (1, True)
        with pytest.raises(RemoteError) as raised:
            async with doors.forward(Forward(Way.REMOTE, listen_port=free_port(), port=9)):
                pass
        assert raised.value.title == "Remote forwards are not allowed"

    async with listening(folder) as server:
        folder.trust(server.port)
        await over(SshLink("box", folder.wanted(server.port), Nobody(), QUICK), check)


async def test_closing_a_forward_cuts_its_connections_and_frees_its_port(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with program(echo) as port:
            async with doors.forward(Forward(Way.LOCAL, port=port)) as opened:
                reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
            assert not opened.traffic.open
            with contextlib.suppress(OSError):
                assert await reader.read() == b""
            writer.close()
            async with doors.forward(Forward(Way.LOCAL, opened.port, port=port)) as again:
                assert await asked(again.port, b"back") == b"back"

    await with_doors(folder, check)


async def test_a_program_that_leaves_before_its_connection_stands_leaves_nothing(folder: Folder) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async def check(doors: SshDoors) -> None:
        async with program(talk) as port, doors.forward(Forward(Way.LOCAL, port=port)) as opened:
            with socket.create_connection(("127.0.0.1", opened.port)):
                pass
            await settled(gone.is_set)
            await settled(lambda: not opened.traffic.open)
            assert opened.traffic.total == 1

    await with_doors(folder, check)


async def test_a_lost_link_cuts_the_program_and_a_forward_over_it_says_dropped(folder: Folder) -> None:
    async with listening(folder, jump=True) as server, program(echo) as port, wire(server.port) as way:
        folder.trust(way.port)
        dropped: list[GpuBoxError] = []
        seen: list[SshDoors] = []
        streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def work(shell: Shell) -> None:
            assert isinstance(shell, SshShell)
            if seen:
                await asyncio.Event().wait()
            seen.append(SshDoors(shell))
            async with seen[0].forward(Forward(Way.LOCAL, port=port)) as opened:
                streams.append(await asyncio.open_connection("127.0.0.1", opened.port))
                reader, writer = streams[0]
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                way.cut()
                await asyncio.Event().wait()

        async with kept(SshLink("box", folder.wanted(way.port), Nobody(), QUICK), work):
            await settled(lambda: way.accepted > 1)
            reader, writer = streams[0]
            with contextlib.suppress(OSError):
                assert await reader.read() == b""
            writer.close()
            try:
                async with seen[0].forward(Forward(Way.LOCAL, port=port)):
                    pass
            except Dropped as error:
                dropped.append(error)
        assert dropped


def listeners(port: int) -> list[str]:
    """The addresses on which somebody listens on a port, as the kernel writes them."""
    lines = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    return [line.split()[1] for line in lines.splitlines() if f":{port:04X} 00" in line]


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


# SOCKS


async def socks(port: int, *words: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """Greet a SOCKS port piece by piece; returns the streams and what it answered to the last piece."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    for one in words:
        writer.write(one)
        answer = await reader.read(64)
    return reader, writer, answer


async def test_socks_programs_reach_what_they_ask_for(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with program(echo) as port, doors.forward(Forward(Way.SOCKS)) as opened:
            wanted = port.to_bytes(2)
            for greeting in (
                (b"\x05\x01\0", b"\x05\x01\0\x01\x7f\0\0\x01" + wanted),
                (b"\x05\x02\0\x02", b"\x05\x01\0\x03\x09localhost" + wanted),
                (b"\x04\x01" + wanted + b"\x7f\0\0\x01me\0",),
                (b"\x04\x01" + wanted + b"\0\0\0\x01me\0localhost\0",),
            ):
                reader, writer, answer = await socks(opened.port, *greeting)
                assert answer[1] in (0, 0x5A)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                writer.close()
                await writer.wait_closed()
            assert opened.traffic.sent == opened.traffic.received == 20

    await with_doors(folder, check)


async def test_a_socks_program_is_told_why_it_gets_nothing(folder: Folder) -> None:
    async def check(doors: SshDoors) -> None:
        async with doors.forward(Forward(Way.SOCKS)) as opened:
            nobody = b"\x05\x01\0\x01\x7f\0\0\x01" + free_port().to_bytes(2)
            _, writer, answer = await socks(opened.port, b"\x05\x01\0", nobody)
            assert answer[:2] == b"\x05\x05"
            writer.close()
            away = b"\x05\x01\0\x01\xc0\0\x02\x01\0\x50"
            _, writer, answer = await socks(opened.port, b"\x05\x01\0", away)
            assert answer[:2] == b"\x05\x02"
            writer.close()
            assert opened.traffic.refused == 2

    await with_doors(folder, check)


def test_what_follows_the_greeting_at_once_is_kept() -> None:
    answer = Greeting().feed(b"\x05\x01\0\x05\x01\0\x03\x01b\0\x50GET /")
    assert (answer.reply, answer.wish, answer.rest) == (b"\x05\0", Wish("b", 80), b"GET /")


def test_a_greeting_may_come_in_single_bytes() -> None:
    greeting = Greeting()
    words = b"\x05\x01\0\x05\x01\0\x04" + bytes(15) + b"\x01\x1f\x90"
    answers = [greeting.feed(bytes([byte])) for byte in words]
    assert not any(answer.wrong for answer in answers)
    assert b"".join(answer.reply for answer in answers) == b"\x05\0"
    assert answers[-1].wish == Wish("::1", 8080)


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
        assert answer.wish is None
    else:
        assert answer.wrong
