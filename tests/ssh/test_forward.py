"""Ports that are forwarded through an open link."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from gpubox.core.channels import Direction, Forward, Traffic
from gpubox.core.errors import Dropped, GpuBoxError, PortTaken, RemoteError
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.link import SshLink
from gpubox.ssh.shell import SshShell
from tests.ssh.carried import BIG, asked, count, echo, free_port, listeners, over, program, with_channels
from tests.ssh.fakes import QUICK, Folder, listening, running, settled
from tests.ssh.wire import wire


async def test_a_local_forward_carries_and_counts_both_ways(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with program(echo) as port, channels.forward(Forward(Direction.LOCAL, port=port)) as opened:
            assert opened.traffic == Traffic()
            assert await asked(opened.port, b"x" * BIG) == b"x" * BIG
            await settled(lambda: not opened.traffic.open)
            assert opened.traffic == Traffic(sent=BIG, received=BIG, total=1)

    await with_channels(folder, check)


async def test_one_side_may_end_while_the_other_still_speaks(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with program(count) as port, channels.forward(Forward(Direction.LOCAL, port=port)) as opened:
            assert await asked(opened.port, b"x" * BIG) == b"%d" % BIG

    await with_channels(folder, check)


async def test_a_forward_listens_on_loopback_only(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with channels.forward(Forward(Direction.LOCAL, port=9)) as opened:
            assert listeners(opened.port) == [f"0100007F:{opened.port:04X}"]

    await with_channels(folder, check)


async def test_a_slow_program_does_not_fill_this_machine(folder: Folder) -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async def check(channels: SshChannels) -> None:
        async with program(flood) as port, channels.forward(Forward(Direction.LOCAL, port=port)) as opened:
            with socket.create_connection(("127.0.0.1", opened.port)) as slow:
                slow.setblocking(False)
                before = -1
                while not sent or before != sent:  # nobody reads: it has to come to rest
                    before = sent
                    await asyncio.sleep(0.3)
                assert 0 < opened.traffic.received < 16 * 1024 * 1024

    await with_channels(folder, check)


async def test_a_program_that_reads_little_by_little_does_not_fill_this_machine_either(
    folder: Folder,
) -> None:
    sent = read = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async def check(channels: SshChannels) -> None:
        nonlocal read
        async with program(flood) as port, channels.forward(Forward(Direction.LOCAL, port=port)) as opened:
            reader, writer = await asyncio.open_connection("127.0.0.1", opened.port, limit=65536)
            for _ in range(150):
                read += len(await reader.readexactly(200_000))
                await asyncio.sleep(0.01)  # a program that reads little by little
            assert sent - read < 16 * 1024 * 1024
            writer.transport.abort()

    await with_channels(folder, check)


async def test_a_unix_socket_of_the_box_is_reached_by_a_port(folder: Folder) -> None:
    path = folder.path / "app.sock"

    async def check(channels: SshChannels) -> None:
        spec = Forward(Direction.LOCAL, path=str(path))
        async with program(echo, path), channels.forward(spec) as opened:
            assert await asked(opened.port, b"hello") == b"hello"

    await with_channels(folder, check)


async def test_the_box_reaches_a_port_of_this_machine(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with program(count) as port, channels.forward(Forward(Direction.REMOTE, port=port)) as opened:
            assert await asked(opened.port, b"x" * BIG) == b"%d" % BIG
            await settled(lambda: not opened.traffic.open)
            size = len(str(BIG))
            assert opened.traffic == Traffic(sent=size, received=BIG, total=1)
        with pytest.raises(ConnectionRefusedError):
            await asked(opened.port, b"")

    await with_channels(folder, check)


async def test_a_remote_forward_to_nobody_counts_a_refusal(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with channels.forward(Forward(Direction.REMOTE, port=free_port())) as opened:
            with contextlib.suppress(OSError):
                assert await asked(opened.port, b"") == b""
            assert opened.traffic.refused == 1
            assert "refused" in opened.traffic.refusal.lower()

    await with_channels(folder, check)


async def test_a_port_that_is_taken_on_the_box_says_so(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with program(echo) as port:
            with pytest.raises(PortTaken) as raised:
                async with channels.forward(Forward(Direction.REMOTE, listen_port=port, port=1)):
                    pass
            assert str(port) in raised.value.text

    await with_channels(folder, check)


async def test_a_port_that_is_taken_here_says_so(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with program(echo) as port:
            with pytest.raises(PortTaken) as raised:
                async with channels.forward(Forward(Direction.LOCAL, listen_port=port, port=1)):
                    pass
            assert raised.value.title == f"Port {port} taken"

    await with_channels(folder, check)


async def test_a_box_that_is_this_machine_gets_no_port_that_leads_to_itself(folder: Folder) -> None:
    port = free_port()

    async def check(channels: SshChannels) -> None:
        with pytest.raises(PortTaken, match="is this machine"):
            async with channels.forward(Forward(Direction.LOCAL, listen_port=port, port=port)):
                pass

    await with_channels(folder, check)


async def test_where_nobody_listens_the_program_is_reset_and_the_refusal_counted(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with channels.forward(Forward(Direction.LOCAL, port=free_port())) as opened:
            with pytest.raises(ConnectionResetError):
                await asked(opened.port, b"")
            assert (opened.traffic.refused, opened.traffic.forbidden) == (1, False)
            assert opened.traffic.refusal

    await with_channels(folder, check)


async def test_what_the_server_forbids_is_reported_from_what_does_not_listen(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with channels.forward(Forward(Direction.LOCAL, port=9)) as opened:
            with pytest.raises(ConnectionResetError):
                await asked(opened.port, b"")
            assert (opened.traffic.refused, opened.traffic.forbidden) == (1, True)
        with pytest.raises(RemoteError) as raised:
            async with channels.forward(Forward(Direction.REMOTE, listen_port=free_port(), port=9)):
                pass
        assert raised.value.title == "Remote forwards are not allowed"

    async with listening(folder) as server:
        folder.trust(server.port)
        await over(SshLink("box", folder.spec(server.port), Nobody(), QUICK), check)


async def test_closing_a_forward_cuts_its_connections_and_frees_its_port(folder: Folder) -> None:
    async def check(channels: SshChannels) -> None:
        async with program(echo) as port:
            async with channels.forward(Forward(Direction.LOCAL, port=port)) as opened:
                reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
            assert not opened.traffic.open
            with contextlib.suppress(OSError):
                assert await reader.read() == b""
            writer.close()
            async with channels.forward(Forward(Direction.LOCAL, opened.port, port=port)) as again:
                assert await asked(again.port, b"back") == b"back"

    await with_channels(folder, check)


async def test_a_program_that_leaves_before_its_connection_stands_leaves_nothing(folder: Folder) -> None:
    gone = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()

    async def check(channels: SshChannels) -> None:
        async with program(talk) as port, channels.forward(Forward(Direction.LOCAL, port=port)) as opened:
            with socket.create_connection(("127.0.0.1", opened.port)):
                pass
            await settled(gone.is_set)
            await settled(lambda: not opened.traffic.open)
            assert opened.traffic.total == 1

    await with_channels(folder, check)


async def test_a_lost_link_cuts_the_program_and_a_forward_over_it_says_dropped(folder: Folder) -> None:
    async with listening(folder, jump=True) as server, program(echo) as port, wire(server.port) as way:
        folder.trust(way.port)
        dropped: list[GpuBoxError] = []
        seen: list[SshChannels] = []
        streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def work(shell: Shell) -> None:
            assert isinstance(shell, SshShell)
            if seen:
                await asyncio.Event().wait()
            seen.append(SshChannels(shell))
            async with seen[0].forward(Forward(Direction.LOCAL, port=port)) as opened:
                streams.append(await asyncio.open_connection("127.0.0.1", opened.port))
                reader, writer = streams[0]
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                way.cut()
                await asyncio.Event().wait()

        async with running(SshLink("box", folder.spec(way.port), Nobody(), QUICK), work):
            await settled(lambda: way.accepted > 1)
            reader, writer = streams[0]
            with contextlib.suppress(OSError):
                assert await reader.read() == b""
            writer.close()
            try:
                async with seen[0].forward(Forward(Direction.LOCAL, port=port)):
                    pass
            except Dropped as error:
                dropped.append(error)
        assert dropped


@pytest.mark.parametrize("way", [Direction.LOCAL, Direction.REMOTE])
async def test_a_forward_that_is_cancelled_while_it_opens_frees_its_port(
    folder: Folder, way: Direction
) -> None:
    async def hold(channels: SshChannels, spec: Forward) -> None:
        async with channels.forward(spec):
            await asyncio.Event().wait()

    async def check(channels: SshChannels) -> None:
        for steps in range(40):
            spec = Forward(way, listen_port=free_port(), port=9)
            opening = asyncio.create_task(hold(channels, spec))
            for _ in range(steps):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait([opening])
            await settled(lambda port=spec.listen_port: not listeners(port))

    await with_channels(folder, check)
