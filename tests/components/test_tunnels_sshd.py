"""Tunnels through OpenSSH's own sshd: what it allows, what it forbids, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.tunnels import tunnels
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Channels, Direction, Forward
from gpubox.core.errors import Dropped, PortTaken, RemoteError
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from gpubox.ssh.channels import SshChannels
from gpubox.ssh.link import SshLink
from gpubox.ssh.shell import SshShell
from tests.components.desk import Desk, working
from tests.components.servers import Server, sshd
from tests.hang import LIMIT
from tests.ssh.carried import BIG, asked, count, echo, free_port, listeners, program
from tests.ssh.fakes import QUICK, settled
from tests.ssh.wire import wire


def channels_of(shell: Shell) -> Channels:
    assert isinstance(shell, SshShell)
    return SshChannels(shell)


@asynccontextmanager
async def boxed(desk: Desk, server: Server, *tunnels: str, port: int = 0) -> AsyncGenerator[Box]:
    """Keep a box over a server, unread; with `port` through something that leads to the server."""
    desk.trust(server)
    expected = desk.expected(port=port or server.port, identity=str(desk.identity))
    if port:
        (desk.folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {server.host_key}\n")
    link = SshLink("box", expected, Nobody(), QUICK)
    box = Box(BoxContext(Target("box", "ssh"), tunnels=tunnels), link, channels_of)
    task = asyncio.create_task(box.keep(Purpose.COMMAND))
    try:
        async with asyncio.timeout(LIMIT):
            yield box
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


def of(box: Box, name: str) -> Tunnel:
    (found,) = [one for one in box.use(Tunnels).feed.value if one.name == name]
    return found


async def test_all_four_ways_go_through_sshd(desk: Desk) -> None:
    path = desk.folder / "app.sock"
    async with (
        sshd(desk.folder / "server", desk.public) as server,
        boxed(desk, server) as box,
        program(count) as port,
        program(echo, path),
    ):
        local = await box.use(Tunnels).open(Forward(Direction.LOCAL, port=port))
        assert await asked(local.port, b"x" * BIG) == b"%d" % BIG
        unix = await box.use(Tunnels).open(Forward(Direction.LOCAL, path=str(path)))
        assert await asked(unix.port, b"x" * BIG) == b"x" * BIG
        remote = await box.use(Tunnels).open(Forward(Direction.REMOTE, port=port), "back")
        assert await asked(remote.port, b"x" * BIG) == b"%d" % BIG
        assert {address[:-5] for address in listeners(remote.port)} <= {
            "0100007F",
            "00000000000000000000000001000000",
        }
        socks = await box.use(Tunnels).open(Forward(Direction.SOCKS))
        greeting = b"\x05\x01\0\x05\x01\0\x01\x7f\0\0\x01" + port.to_bytes(2)
        answer = await asked(socks.port, greeting + b"hello")
        assert answer == b"\x05\0\x05\0\0\x01" + bytes(6) + b"5"
        await settled(lambda: of(box, "back").traffic.received == BIG)


async def test_a_fast_transfer_goes_on_while_the_line_gives_up_its_compression(desk: Desk) -> None:
    size = 60_000_000

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _piece in range(size // 100_000):
            writer.write(bytes(100_000))
            await writer.drain()

    async with sshd(desk.folder / "server", desk.public) as server, boxed(desk, server) as box:
        async with program(pour) as port:
            tunnel = await box.use(Tunnels).open(Forward(Direction.LOCAL, port=port))
            assert await asked(tunnel.port, b"") == bytes(size)
        shell = box.shell.value
        assert isinstance(shell, SshShell)
        assert shell.connection.ssh.get_extra_info("recv_compression") == "none"
        assert (await shell.run("echo still here")).stdout == b"still here\n"


async def test_nothing_that_listens_is_reported_from_what_sshd_forbids(desk: Desk) -> None:
    nobody, allowed = free_port(), free_port()
    extra = f"PermitOpen 127.0.0.1:{allowed}"
    async with sshd(desk.folder / "server", desk.public, extra=extra) as server, boxed(desk, server) as box:
        for port, title in ((allowed, "Nothing listens on the box"), (nobody, "The box forbids it")):
            tunnel = await box.use(Tunnels).open(Forward(Direction.LOCAL, port=port), str(port))
            with pytest.raises(ConnectionResetError):
                await asked(tunnel.port, b"")

            def reported(name: str = str(port), title: str = title) -> bool:
                reason = of(box, name).reason
                return reason is not None and reason.title == title and of(box, name).traffic.refused == 1

            await settled(reported)


async def test_a_box_that_forwards_nothing_says_so(desk: Desk) -> None:
    path = desk.folder / "app.sock"
    extra = "AllowTcpForwarding no\nAllowStreamLocalForwarding no"
    async with sshd(desk.folder / "server", desk.public, extra=extra) as server, boxed(desk, server) as box:
        with pytest.raises(RemoteError, match="Remote forwards are not allowed"):
            await box.use(Tunnels).open(Forward(Direction.REMOTE, free_port(), port=1), "back")
        async with program(echo) as port, program(echo, path):
            for spec in (Forward(Direction.LOCAL, port=port), Forward(Direction.LOCAL, path=str(path))):
                tunnel = await box.use(Tunnels).open(spec)
                with pytest.raises(ConnectionResetError):
                    await asked(tunnel.port, b"")
                await settled(lambda: of(box, tunnel.name).reason)  # noqa: B023
                reason = of(box, tunnel.name).reason
                assert reason is not None
                assert "Forwarding" in reason.hint


async def test_forwards_take_none_of_the_few_sessions(desk: Desk) -> None:
    async with (
        sshd(desk.folder / "server", desk.public, extra="MaxSessions 2") as server,
        boxed(desk, server) as box,
        program(echo) as port,
    ):
        for number in range(5):
            await box.use(Tunnels).open(Forward(Direction.LOCAL, port=port), f"tunnel{number}")
        shell = box.shell.value
        assert shell is not None
        async with shell.stream("cat") as channel:
            assert (await shell.run("echo one more")).stdout == b"one more\n"
            answers = await asyncio.gather(
                *(asked(one.port, one.name.encode()) for one in box.use(Tunnels).feed.value)
            )
            assert answers == [one.name.encode() for one in box.use(Tunnels).feed.value]
            await channel.write(b"hello\n")
            assert await channel.read_line(100) == b"hello\n"


async def test_a_port_that_is_taken_on_the_box_is_reported_from_a_box_that_forwards_none(desk: Desk) -> None:
    async with sshd(desk.folder / "server", desk.public) as server:
        link = desk.link(server)

        async def check(shell: Shell) -> None:
            async with program(echo) as port:
                with pytest.raises(PortTaken, match="Port taken on the box"):
                    async with channels_of(shell).forward(Forward(Direction.REMOTE, port, port=1)):
                        pass

        async with working(link, check):
            pass


async def test_ten_tunnels_come_back_on_the_same_ports_through_a_link_that_is_cut_again_and_again(
    desk: Desk,
) -> None:
    cuts = 5
    async with (
        sshd(desk.folder / "server", desk.public) as server,
        wire(server.port) as way,
        program(echo) as port,
        boxed(desk, server, *(f"t{number}={port}" for number in range(8)), port=way.port) as box,
    ):
        box.use(Tunnels).add(Forward(Direction.SOCKS), "socks")
        box.use(Tunnels).add(Forward(Direction.REMOTE, port=port), "back")

        def all_open() -> bool:
            return all(one.phase is TunnelPhase.OPEN for one in box.use(Tunnels).feed.value)

        await settled(all_open)
        ports = [one.port for one in box.use(Tunnels).feed.value]
        assert len(set(ports)) == 10
        for cut in range(1, cuts + 1):
            busy = [asyncio.create_task(chatter(number)) for number in ports[:8]]
            await settled(lambda: all(one.traffic.open for one in box.use(Tunnels).feed.value[:8]))
            way.cut()
            await settled(lambda: way.accepted > cut)  # noqa: B023
            await asyncio.gather(*busy)
            await settled(all_open)
            assert [one.port for one in box.use(Tunnels).feed.value] == ports
            for number in ports[:8]:
                assert await asked(number, b"back") == b"back"
        assert all(not one.note for one in box.use(Tunnels).feed.value[1:9] if one.port == port)


async def chatter(port: int) -> None:
    """Talk through a tunnel until it is cut."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while True:
                writer.write(b"x" * 1000)
                if not await reader.read(1000):
                    return
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def test_a_tunnel_opened_while_the_link_is_down_waits_for_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "PATIENCE", 60.0)  # a machine that is busy takes its time to log in
    async with (
        sshd(desk.folder / "server", desk.public) as server,
        wire(server.port) as way,
        boxed(desk, server, port=way.port) as box,
        program(echo) as port,
    ):
        await settled(lambda: box.channels.value)
        way.freeze()
        way.cut()
        await settled(lambda: box.channels.value is None)
        opening = asyncio.create_task(box.use(Tunnels).open(Forward(Direction.LOCAL, port=port)))
        await settled(lambda: box.use(Tunnels).feed.value)
        way.thaw()
        try:
            tunnel = await opening
        except Dropped as error:
            raise AssertionError("it gave up") from error
        assert await asked(tunnel.port, b"hello") == b"hello"
