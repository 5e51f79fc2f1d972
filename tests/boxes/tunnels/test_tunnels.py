"""The tunnels of a box: opened, moved, stopped, and back with the link."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from gpubox.boxes.tunnels import tunnels as module
from gpubox.boxes.tunnels.tunnel import TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import Cancelled, Dropped, PortTaken, RemoteError
from tests.boxes.scripted import context, until
from tests.boxes.tunnels.opened import JUPYTER, ScriptedChannels, saved, taken


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.01)
    monkeypatch.setattr(module, "LISTEN", 0.02)


async def test_a_spec_waits_for_the_link_and_opens_with_it() -> None:
    tunnels = Tunnels(context("attic"))
    tunnels.add(JUPYTER)
    channels = ScriptedChannels()
    async with saved(tunnels, None) as box:
        assert box["8888"].phase is TunnelPhase.WAITING
        assert not box["8888"].address
        box.link(channels)
        opened = await box.phase("8888", TunnelPhase.OPEN)
        assert (opened.port, opened.address) == (8888, "127.0.0.1:8888")
    assert not channels.open


async def test_a_tunnel_comes_back_on_the_port_that_it_had() -> None:
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels({8888: taken(8888)})) as box:
        first = await tunnels.open(JUPYTER, "jupyter")
        assert first.port == 8889
        box.link(None)
        await box.phase("jupyter", TunnelPhase.WAITING)
        again = ScriptedChannels()  # 8888 is free by now, but the browser has 8889 open
        box.link(again)
        assert (await box.phase("jupyter", TunnelPhase.OPEN)).port == 8889
        assert again.asked == [8889]


async def test_a_taken_port_moves_to_the_next_and_says_who_has_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        tunnels = Tunnels(context("attic"))
        async with saved(tunnels, ScriptedChannels({port: taken(port), port + 1: taken(port + 1)})):
            opened = await tunnels.open(replace(JUPYTER, listen_port=port))
            by = "another tunnel of this program"
            note = f"port {port} of this machine is taken by {by}; {port + 2} is used instead"
            assert (opened.port, opened.note) == (port + 2, note)


async def test_a_port_without_a_known_holder_is_reported_with_what_was_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nobody(_port: int) -> str:
        return ""

    monkeypatch.setattr("gpubox.boxes.tunnels.local_ports.holder", nobody)
    itself = PortTaken("Port 8888 taken", "xub is this machine, so the tunnel would lead to itself")
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels({8888: itself})):
        opened = await tunnels.open(JUPYTER)
        assert opened.note == f"port 8888 cannot be used here: {itself.text}; 8889 is used instead"


async def test_a_restart_tries_its_own_port_again() -> None:
    tunnels = Tunnels(context("attic"))
    channels = ScriptedChannels({8080: taken(8080)})
    async with saved(tunnels, channels) as box:
        opened = await tunnels.open(replace(JUPYTER, listen_port=8080))
        assert opened.port == 8081
        assert opened.note
        channels.errors.clear()
        await tunnels.restart(opened.id)
        opened = await box.phase("8888", TunnelPhase.OPEN)
        assert (opened.port, opened.note) == (8080, "")


async def test_when_every_port_is_taken_that_is_said() -> None:
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels({port: taken(port) for port in (0, *range(8888, 9000))})):
        with pytest.raises(PortTaken) as raised:
            await tunnels.open(JUPYTER)
        assert raised.value.title == "No free port"
        assert raised.value.text.startswith("Port 8888 ")


async def test_the_trouble_of_one_tunnel_ends_no_other() -> None:
    tunnels = Tunnels(context("attic"))
    no = RemoteError("Remote forwards are not allowed")
    async with saved(tunnels, ScriptedChannels({9000: no})) as box:
        await tunnels.open(JUPYTER)
        with pytest.raises(RemoteError) as raised:
            await tunnels.open(Forward(Direction.REMOTE, 9000, port=3000), "web")
        assert raised.value is no
        assert box["web"].reason is no
        assert box["8888"].phase is TunnelPhase.OPEN


async def test_opening_without_a_link_says_so_and_keeps_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, None) as box:
        with pytest.raises(Dropped, match="Not connected"):
            await tunnels.open(JUPYTER)
        box.link(ScriptedChannels())
        await box.phase("8888", TunnelPhase.OPEN)


async def test_a_tunnel_that_is_stopped_before_it_is_open_is_waited_for_no_longer() -> None:
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, None):
        opening = asyncio.create_task(tunnels.open(JUPYTER))
        await until(lambda: tunnels.feed.value)
        await tunnels.forget(tunnels.feed.value[0].id)
        with pytest.raises(Cancelled):
            await opening
        assert tunnels.feed.value == ()


async def test_the_same_spec_is_one_tunnel() -> None:
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels()):
        first = await tunnels.open(JUPYTER)
        assert (await tunnels.open(JUPYTER)).id == first.id
        assert (await tunnels.open(replace(JUPYTER, port=9999))).id != first.id


async def test_a_stopped_tunnel_stays_stopped_until_it_is_expected_again() -> None:
    tunnels = Tunnels(context("attic"))
    channels = ScriptedChannels()
    async with saved(tunnels, channels) as box:
        number = (await tunnels.open(JUPYTER)).id
        await tunnels.open(replace(JUPYTER, port=9999), "witness")
        await tunnels.stop(number)
        box.link(None)
        await box.phase("witness", TunnelPhase.WAITING)
        assert box["8888"].phase is TunnelPhase.STOPPED
        assert not channels.open
        box.link(channels)
        await box.phase("witness", TunnelPhase.OPEN)
        assert box["8888"].phase is TunnelPhase.STOPPED
        assert [one.spec.port for one in channels.open] == [9999]
        await tunnels.forget(box["witness"].id)
        await tunnels.restart(number)
        await box.phase("8888", TunnelPhase.OPEN)
        await tunnels.stop(number)
        assert (await tunnels.open(JUPYTER)).id == number
        await tunnels.forget(number)
        assert not channels.open
        assert tunnels.feed.value == ()
        await tunnels.stop(number)  # nothing happens
        await tunnels.restart(number)


async def test_a_failed_tunnel_is_tried_again_with_the_next_link() -> None:
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels({9000: RemoteError("No")})) as box:
        tunnels.add(Forward(Direction.REMOTE, 9000, port=1), "web")
        await box.phase("web", TunnelPhase.FAILED)
        box.link(ScriptedChannels())
        await box.phase("web", TunnelPhase.OPEN)


async def test_a_link_that_goes_while_a_tunnel_opens_leaves_it_waiting() -> None:
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels({8888: Dropped("DriverGone")})) as box:
        tunnels.add(JUPYTER)
        await box.phase("8888", TunnelPhase.WAITING)


async def test_the_box_listens_where_it_did_once_it_forgot_the_earlier_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpubox.boxes.tunnels.tunnel._AGAIN", 0.01)
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels()) as box:
        tunnels.add(Forward(Direction.REMOTE, port=3000), "web")
        assert (await box.phase("web", TunnelPhase.OPEN)).port == 50_000
        channels = ScriptedChannels({50_000: taken(50_000)})
        box.link(channels)
        await until(lambda: channels.asked.count(50_000) > 2)
        assert box["web"].phase is TunnelPhase.OPENING
        channels.errors.clear()
        assert (await box.phase("web", TunnelPhase.OPEN)).port == 50_000


async def test_a_service_is_found_by_name_and_again_with_each_link() -> None:
    places = [8888, 8890]

    async def find(name: str) -> Forward:
        assert name == "jupyter"
        if not places:
            raise RemoteError("No such service", "jupyter does not run on attic")
        return Forward(Direction.LOCAL, port=places.pop(0))

    tunnels = Tunnels(context("attic"))
    tunnels.find_by(find)
    channels = ScriptedChannels()
    async with saved(tunnels, channels) as box:
        first = await tunnels.open(None, "jupyter")
        assert (first.port, first.spec) == (8888, Forward(Direction.LOCAL, port=8888))
        channels = ScriptedChannels()
        box.link(channels)
        await until(lambda: channels.open)
        assert (box["jupyter"].port, channels.open[0].spec.port) == (8888, 8890)
        box.link(ScriptedChannels())
        failed = await box.phase("jupyter", TunnelPhase.FAILED)
        assert failed.reason is not None
        assert failed.reason.title == "No such service"
