"""What goes through the tunnels of a box, and what is reported when nothing does."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.boxes.tunnels import tunnels as module
from gpubox.boxes.tunnels.tunnel import TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Direction, Forward
from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.shell import CommandResult
from tests.boxes.scripted import ScriptedShell, context, until
from tests.boxes.tunnels.opened import JUPYTER, ScriptedChannels, saved

ROW = b"0: 0100007F:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1\n"
"""A socket that listens, as in /proc/net/tcp."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.01)
    monkeypatch.setattr(module, "LISTEN", 0.02)


async def test_counts_are_shown_and_go_on_over_a_new_link() -> None:
    tunnels = Tunnels(context("attic"))
    channels = ScriptedChannels()
    async with saved(tunnels, channels) as box:
        await tunnels.open(JUPYTER)
        channels.open[0].traffic.sent, channels.open[0].traffic.open = 10, 2
        await until(lambda: box["8888"].traffic.sent == 10)
        assert box["8888"].traffic.open == 2
        channels = ScriptedChannels()
        box.link(channels)
        await until(lambda: channels.open)
        channels.open[0].traffic.sent = 5
        await until(lambda: box["8888"].traffic.sent == 15)
        assert box["8888"].traffic.open == 0


@pytest.mark.parametrize(
    ("spec", "forbidden", "title", "hint"),
    [
        (JUPYTER, False, "Nothing listens on the box", "the tunnel is ready"),
        (JUPYTER, True, "The box forbids it", "AllowTcpForwarding"),
        (Forward(Direction.LOCAL, path="/run/x"), False, "Nothing listens on the box", "AllowStreamLocal"),
        (Forward(Direction.REMOTE, 9000, port=3000), False, "Nothing listens here", "Start the program"),
        (Forward(Direction.SOCKS), True, "The box forbids it", "PermitOpen"),
    ],
)
async def test_a_refusal_is_reported_until_something_comes_back(
    spec: Forward, forbidden: bool, title: str, hint: str
) -> None:
    tunnels = Tunnels(context("attic"))
    channels = ScriptedChannels()
    async with saved(tunnels, channels) as box:
        await tunnels.open(spec, "it")
        traffic = channels.open[0].traffic
        traffic.total, traffic.refused, traffic.refusal, traffic.forbidden = 1, 1, "no", forbidden
        await until(lambda: box["it"].reason)
        reason = box["it"].reason
        assert reason is not None
        assert (reason.title, box["it"].phase) == (title, TunnelPhase.OPEN)
        assert hint in reason.hint
        traffic.received = 1
        await until(lambda: box["it"].reason is None)


async def test_one_of_many_places_that_a_socks_program_does_not_reach_is_no_trouble() -> None:
    tunnels = Tunnels(context("attic"))
    channels = ScriptedChannels()
    async with saved(tunnels, channels) as box:
        await tunnels.open(Forward(Direction.SOCKS), "socks")
        channels.open[0].traffic.refused = 1
        await until(lambda: box["socks"].traffic.refused)
        assert box["socks"].reason is None


async def test_where_nobody_listens_is_known_before_anyone_connects() -> None:
    listens = False

    def answer(command: str) -> CommandResult:
        rows = b"".join(ROW % port for port in [22, 8888][: 1 + listens])
        return CommandResult(0, None, rows + b"2: junk\n", b"")

    shell = ScriptedShell()
    shell.answer = answer
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels()) as box:
        box.shell.put(shell)
        await tunnels.open(JUPYTER)
        await until(lambda: box["8888"].reason)
        reason = box["8888"].reason
        assert reason is not None
        assert reason.text == "port 8888 on attic"
        listens = True
        await until(lambda: box["8888"].reason is None)
        asked = len(shell.commands)
        await asyncio.sleep(0.1)  # five times LISTEN nobody may ask again
        assert len(shell.commands) == asked


@pytest.mark.parametrize(
    "answer", [CommandResult(2, None, b"", b"no /proc"), RemoteError("No"), Dropped("DriverGone")]
)
async def test_a_box_that_does_not_report_who_listens_is_believed(
    answer: CommandResult | GpuBoxError,
) -> None:
    shell = ScriptedShell()
    shell.answer = lambda _: answer
    tunnels = Tunnels(context("attic"))
    async with saved(tunnels, ScriptedChannels()) as box:
        box.shell.put(shell)
        await tunnels.open(JUPYTER)
        await until(lambda: shell.commands)
        await asyncio.sleep(0.05)  # for some looks longer nothing may be said
        assert box["8888"].reason is None
