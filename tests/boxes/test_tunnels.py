"""The tunnels of a box, over doors that do what a test tells them to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from gpubox.boxes import tunnels as module
from gpubox.boxes.ports import Ports, candidates, holder
from gpubox.boxes.store import Store
from gpubox.boxes.tunnel import Tunnel, TunnelPhase
from gpubox.boxes.tunnels import Tunnels
from gpubox.config.settings import HistorySettings
from gpubox.core.doors import Doors, Forward, Listening, Traffic, Way
from gpubox.core.errors import Cancelled, Dropped, GpuBoxError, PortTaken, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import Result, Shell
from tests.boxes.scripted import ScriptedShell, until

JUPYTER = Forward(Way.LOCAL, port=8888)


@dataclass
class Open:
    """A forward that is open."""

    wish: Forward
    port: int
    traffic: Traffic = field(default_factory=Traffic)


class ScriptedDoors:
    """Doors without any link; ports in `errors` raise, as often as that is said."""

    def __init__(self, errors: Mapping[int, GpuBoxError] | None = None) -> None:
        self.errors = dict(errors or {})
        self.open: list[Open] = []
        self.asked: list[int] = []

    def forward(self, wish: Forward) -> AbstractAsyncContextManager[Listening]:
        return self._forward(wish)

    @asynccontextmanager
    async def _forward(self, wish: Forward) -> AsyncGenerator[Listening]:
        self.asked.append(wish.listen_port)
        if wish.listen_port in self.errors:
            raise self.errors[wish.listen_port]
        made = Open(wish, wish.listen_port or 50_000)
        self.open.append(made)
        try:
            yield made
        finally:
            self.open.remove(made)


class Kept:
    """Tunnels that are kept over doors that come and go."""

    def __init__(self, tunnels: Tunnels) -> None:
        self.tunnels = tunnels
        self.doors: Feed[Doors | None] = Feed(None)
        self.shell: Feed[Shell | None] = Feed(None)

    def link(self, doors: ScriptedDoors | None) -> None:
        """Let the link come up, or go."""
        self.doors.put(cast("Doors | None", doors))  # tunnels only forward

    def __getitem__(self, name: str) -> Tunnel:
        """The newest state of a tunnel."""
        (found,) = [one for one in self.tunnels.feed.value if one.name == name]
        return found

    async def phase(self, name: str, phase: TunnelPhase) -> Tunnel:
        """Wait for a state of a tunnel."""
        await until(lambda: self[name].phase is phase)
        return self[name]


@asynccontextmanager
async def kept(tunnels: Tunnels, doors: ScriptedDoors | None) -> AsyncGenerator[Kept]:
    """Keep tunnels for the length of a block."""
    made = Kept(tunnels)
    made.link(doors)
    task = asyncio.create_task(tunnels.keep(made.doors, made.shell))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled(), task.exception()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", 0.01)
    monkeypatch.setattr(module, "LISTEN", 0.02)


def taken(port: int) -> PortTaken:
    return PortTaken(f"Port {port} taken")


async def test_a_wish_waits_for_the_link_and_opens_with_it() -> None:
    tunnels = Tunnels("attic")
    tunnels.add(JUPYTER)
    doors = ScriptedDoors()
    async with kept(tunnels, None) as box:
        assert box["8888"].phase is TunnelPhase.WAITING
        assert not box["8888"].address
        box.link(doors)
        opened = await box.phase("8888", TunnelPhase.OPEN)
        assert (opened.port, opened.address) == (8888, "127.0.0.1:8888")
    assert not doors.open


async def test_a_tunnel_comes_back_on_the_port_that_it_had() -> None:
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors({8888: taken(8888)})) as box:
        first = await tunnels.open(JUPYTER, "jupyter")
        assert first.port == 8889
        box.link(None)
        await box.phase("jupyter", TunnelPhase.WAITING)
        again = ScriptedDoors()  # 8888 is free by now, but the browser has 8889 open
        box.link(again)
        assert (await box.phase("jupyter", TunnelPhase.OPEN)).port == 8889
        assert again.asked == [8889]


async def test_a_taken_port_moves_to_the_next_and_says_who_has_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = int(other.getsockname()[1])
        tunnels = Tunnels("attic")
        async with kept(tunnels, ScriptedDoors({port: taken(port), port + 1: taken(port + 1)})):
            opened = await tunnels.open(replace(JUPYTER, listen_port=port))
    assert opened.port == port + 2
    assert opened.note == f"{port} is taken by another tunnel of this program"


async def test_a_restart_tries_its_own_port_again() -> None:
    tunnels = Tunnels("attic")
    doors = ScriptedDoors({8080: taken(8080)})
    async with kept(tunnels, doors) as box:
        opened = await tunnels.open(replace(JUPYTER, listen_port=8080))
        assert (opened.port, opened.note) == (8081, "8080 is taken")
        doors.errors.clear()
        await tunnels.restart(opened.id)
        opened = await box.phase("8888", TunnelPhase.OPEN)
        assert (opened.port, opened.note) == (8080, "")


async def test_when_every_port_is_taken_that_is_said() -> None:
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors({port: taken(port) for port in (0, *range(8888, 9000))})):
        with pytest.raises(PortTaken) as raised:
            await tunnels.open(JUPYTER)
        assert raised.value.title == "No free port"


async def test_the_trouble_of_one_tunnel_ends_no_other() -> None:
    tunnels = Tunnels("attic")
    no = RemoteError("Remote forwards are not allowed")
    async with kept(tunnels, ScriptedDoors({9000: no})) as box:
        await tunnels.open(JUPYTER)
        with pytest.raises(RemoteError) as raised:
            await tunnels.open(Forward(Way.REMOTE, 9000, port=3000), "web")
        assert raised.value is no
        assert box["web"].reason is no
        assert box["8888"].phase is TunnelPhase.OPEN


async def test_opening_without_a_link_says_so_and_keeps_the_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    tunnels = Tunnels("attic")
    async with kept(tunnels, None) as box:
        with pytest.raises(Dropped, match="Not connected"):
            await tunnels.open(JUPYTER)
        box.link(ScriptedDoors())
        await box.phase("8888", TunnelPhase.OPEN)


async def test_a_tunnel_that_is_stopped_before_it_is_open_is_waited_for_no_longer() -> None:
    tunnels = Tunnels("attic")
    async with kept(tunnels, None):
        opening = asyncio.create_task(tunnels.open(JUPYTER))
        await until(lambda: tunnels.feed.value)
        await tunnels.forget(tunnels.feed.value[0].id)
        with pytest.raises(Cancelled):
            await opening
        assert tunnels.feed.value == ()


async def test_the_same_wish_is_one_tunnel() -> None:
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors()):
        first = await tunnels.open(JUPYTER)
        assert (await tunnels.open(JUPYTER)).id == first.id
        assert (await tunnels.open(replace(JUPYTER, port=9999))).id != first.id


async def test_a_stopped_tunnel_stays_stopped_until_it_is_wanted_again() -> None:
    tunnels = Tunnels("attic")
    doors = ScriptedDoors()
    async with kept(tunnels, doors) as box:
        number = (await tunnels.open(JUPYTER)).id
        await tunnels.stop(number)
        assert not doors.open
        box.link(None)
        box.link(doors)
        await asyncio.sleep(0.02)
        assert box["8888"].phase is TunnelPhase.STOPPED
        await tunnels.restart(number)
        await box.phase("8888", TunnelPhase.OPEN)
        await tunnels.stop(number)
        assert (await tunnels.open(JUPYTER)).id == number
        await tunnels.forget(number)
        assert not doors.open
        assert tunnels.feed.value == ()
        await tunnels.stop(number)  # nothing happens
        await tunnels.restart(number)


async def test_a_failed_tunnel_is_tried_again_with_the_next_link() -> None:
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors({9000: RemoteError("No")})) as box:
        tunnels.add(Forward(Way.REMOTE, 9000, port=1), "web")
        await box.phase("web", TunnelPhase.FAILED)
        box.link(ScriptedDoors())
        await box.phase("web", TunnelPhase.OPEN)


async def test_a_link_that_goes_while_a_tunnel_opens_leaves_it_waiting() -> None:
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors({8888: Dropped("Gone")})) as box:
        tunnels.add(JUPYTER)
        await box.phase("8888", TunnelPhase.WAITING)


async def test_the_box_listens_where_it_did_once_it_forgot_the_earlier_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpubox.boxes.tunnel._AGAIN", 0.01)
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors()) as box:
        tunnels.add(Forward(Way.REMOTE, port=3000), "web")
        assert (await box.phase("web", TunnelPhase.OPEN)).port == 50_000
        doors = ScriptedDoors({50_000: taken(50_000)})
        box.link(doors)
        await until(lambda: doors.asked.count(50_000) > 2)
        assert box["web"].phase is TunnelPhase.OPENING
        doors.errors.clear()
        assert (await box.phase("web", TunnelPhase.OPEN)).port == 50_000


async def test_a_service_is_found_by_name_and_anew_with_each_link() -> None:
    places = [8888, 8890]

    async def find(name: str) -> Forward:
        assert name == "jupyter"
        if not places:
            raise RemoteError("No such service", "jupyter does not run on attic")
        return Forward(Way.LOCAL, port=places.pop(0))

    tunnels = Tunnels("attic", find=find)
    doors = ScriptedDoors()
    async with kept(tunnels, doors) as box:
        first = await tunnels.open(None, "jupyter")
        assert (first.port, first.wish) == (8888, Forward(Way.LOCAL, port=8888))
        doors = ScriptedDoors()
        box.link(doors)
        await until(lambda: doors.open)
        assert (box["jupyter"].port, doors.open[0].wish.port) == (8888, 8890)
        box.link(ScriptedDoors())
        failed = await box.phase("jupyter", TunnelPhase.FAILED)
        assert failed.reason is not None
        assert failed.reason.title == "No such service"


# What goes through.


async def test_counts_are_shown_and_go_on_over_a_new_link() -> None:
    tunnels = Tunnels("attic")
    doors = ScriptedDoors()
    async with kept(tunnels, doors) as box:
        await tunnels.open(JUPYTER)
        doors.open[0].traffic.sent, doors.open[0].traffic.open = 10, 2
        await until(lambda: box["8888"].traffic.sent == 10)
        assert box["8888"].traffic.open == 2
        doors = ScriptedDoors()
        box.link(doors)
        await until(lambda: doors.open)
        doors.open[0].traffic.sent = 5
        await until(lambda: box["8888"].traffic.sent == 15)
        assert box["8888"].traffic.open == 0


@pytest.mark.parametrize(
    ("wish", "forbidden", "title", "hint"),
    [
        (JUPYTER, False, "Nothing listens on the box", "the tunnel is ready"),
        (JUPYTER, True, "The box forbids it", "AllowTcpForwarding"),
        (Forward(Way.LOCAL, path="/run/x"), False, "Nothing listens on the box", "AllowStreamLocal"),
        (Forward(Way.REMOTE, 9000, port=3000), False, "Nothing listens here", "Start the program"),
        (Forward(Way.SOCKS), True, "The box forbids it", "PermitOpen"),
    ],
)
async def test_a_refusal_is_told_until_something_comes_back(
    wish: Forward, forbidden: bool, title: str, hint: str
) -> None:
    tunnels = Tunnels("attic")
    doors = ScriptedDoors()
    async with kept(tunnels, doors) as box:
        await tunnels.open(wish, "it")
        traffic = doors.open[0].traffic
        traffic.total, traffic.refused, traffic.refusal, traffic.forbidden = 1, 1, "no", forbidden
        await until(lambda: box["it"].reason)
        reason = box["it"].reason
        assert reason is not None
        assert (reason.title, box["it"].phase) == (title, TunnelPhase.OPEN)
        assert hint in reason.hint
        traffic.received = 1
        await until(lambda: box["it"].reason is None)


async def test_one_of_many_places_that_a_socks_program_does_not_reach_is_no_trouble() -> None:
    tunnels = Tunnels("attic")
    doors = ScriptedDoors()
    async with kept(tunnels, doors) as box:
        await tunnels.open(Forward(Way.SOCKS), "socks")
        doors.open[0].traffic.refused = 1
        await until(lambda: box["socks"].traffic.refused)
        assert box["socks"].reason is None


async def test_where_nobody_listens_is_known_before_anyone_connects() -> None:
    listens = False

    def answer(command: str) -> Result:
        line = b"0: 0100007F:22B8 00000000:0000 0A 0\n" if listens else b""
        return Result(0, None, b"1: 00000000:0016 00000000:0000 0A 0\n" + line + b"2: junk\n", b"")

    shell = ScriptedShell()
    shell.answer = answer
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors()) as box:
        box.shell.put(shell)
        await tunnels.open(JUPYTER)
        await until(lambda: box["8888"].reason)
        reason = box["8888"].reason
        assert reason is not None
        assert reason.text == "port 8888 on attic"
        listens = True
        await until(lambda: box["8888"].reason is None)
        asked = len(shell.commands)
        await asyncio.sleep(0.1)
        assert len(shell.commands) == asked


@pytest.mark.parametrize("answer", [Result(2, None, b"", b"no /proc"), RemoteError("No"), Dropped("Gone")])
async def test_a_box_that_does_not_tell_who_listens_is_believed(answer: Result | GpuBoxError) -> None:
    shell = ScriptedShell()
    shell.answer = lambda _: answer
    tunnels = Tunnels("attic")
    async with kept(tunnels, ScriptedDoors()) as box:
        box.shell.put(shell)
        await tunnels.open(JUPYTER)
        await until(lambda: shell.commands)
        await asyncio.sleep(0.05)
        assert box["8888"].reason is None


# Ports.


async def test_ports_are_remembered_by_box_and_name(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with Store(path, HistorySettings()) as store:
        attic, lab = (Tunnels(name, ports=Ports(name, store)) for name in ("attic", "lab"))
        async with kept(attic, ScriptedDoors()), kept(lab, ScriptedDoors({8888: taken(8888)})):
            assert (await attic.open(JUPYTER, "jupyter")).port == 8888
            assert (await lab.open(JUPYTER, "jupyter")).port == 8889
    with Store(path, HistorySettings()) as store:
        lab = Tunnels("lab", ports=Ports("lab", store))
        async with kept(lab, ScriptedDoors()):
            assert (await lab.open(JUPYTER, "jupyter")).port == 8889
            # 8888 is free now, but it is attic's.
            assert (await lab.open(JUPYTER, "another")).port == 8890


async def test_a_port_that_is_taken_for_once_is_not_forgotten(tmp_path: Path) -> None:
    with Store(tmp_path / "history.sqlite", HistorySettings()) as store:
        for errors, port in (({}, 8888), ({8888: taken(8888)}, 8889), ({}, 8888)):
            tunnels = Tunnels("attic", ports=Ports("attic", store))
            async with kept(tunnels, ScriptedDoors(errors)):
                assert (await tunnels.open(JUPYTER, "jupyter")).port == port
        tunnels = Tunnels("attic", ports=Ports("attic", store))
        async with kept(tunnels, ScriptedDoors()):
            assert (await tunnels.open(replace(JUPYTER, listen_port=7000), "jupyter")).port == 7000
            async with asyncio.timeout(5):
                while await store.ports() != {("attic", "jupyter"): 7000}:  # noqa: ASYNC110 - a file
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("wish", "said", "others", "first"),
    [
        (JUPYTER, 0, set[int](), [8888, 8889]),
        (JUPYTER, 0, {8888, 8890}, [8889, 8891]),
        (JUPYTER, 9000, {9000, 9001}, [9000, 9002]),
        (Forward(Way.SOCKS), 0, set[int](), [1080, 1081]),
        (Forward(Way.LOCAL, port=65535), 0, set[int](), [65535, 0]),
    ],
)
def test_the_first_ports_that_are_tried(wish: Forward, said: int, others: set[int], first: list[int]) -> None:
    tried = list(candidates(wish, "it", said, others))
    assert tried[: len(first)] == first
    assert tried[-1] == 0


@pytest.mark.parametrize("wish", [Forward(Way.LOCAL, port=80), Forward(Way.LOCAL, path="/run/x")])
def test_what_has_no_port_of_its_own_gets_one_that_stays(wish: Forward) -> None:
    first = next(candidates(wish, "it", 0, ()))
    assert 20_000 <= first < 30_000
    assert next(candidates(wish, "it", 0, ())) == first
    assert next(candidates(wish, "other", 0, ())) != first


async def test_who_holds_a_port_is_told_by_name_and_number() -> None:
    script = (
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
        "print(s.getsockname()[1], flush=True); input()"
    )
    process = await asyncio.create_subprocess_exec(
        "python3", "-c", script, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        told = await asyncio.to_thread(holder, port)
        assert told.startswith("python")
        assert told.endswith(f"({process.pid})")
    finally:
        process.kill()
        await process.communicate()
    assert await asyncio.to_thread(holder, port) == ""
