"""Connecting again: when, how often, at whose word, and with what on the way."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Sequence

import asyncssh
import pytest

from gpubox.config.settings import Ssh
from gpubox.core.ask import Nobody
from gpubox.core.errors import (
    AuthFailed,
    ConfigError,
    Dropped,
    GpuBoxError,
    LinkError,
    ProbeError,
    RemoteError,
    Unreachable,
)
from gpubox.core.health import Phase
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import Wanted
from gpubox.ssh.sleep import Clocks
from tests.ssh.fakes import QUICK, Folder, Person, guest, idle, kept, listening, phase, settled
from tests.ssh.wire import peer, wire


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


async def first_trouble(link: SshLink) -> GpuBoxError:
    """Keep a link until it waits or is refused; return why."""
    async with kept(link):
        health = await phase(link, Phase.WAITING, Phase.REFUSED)
    assert health.reason is not None
    return health.reason


async def test_a_closed_port_is_named_and_tried_again(folder: Folder) -> None:
    port = free_port()
    link = SshLink("box", folder.wanted(port), Nobody(), QUICK)
    async with kept(link):
        health = await phase(link, Phase.WAITING, attempt=3)
    assert isinstance(health.reason, Unreachable)
    assert health.reason.title == "Connection refused"
    assert f"port {port}" in health.reason.text
    assert health.retry_at is not None


async def test_an_unknown_name_is_named(folder: Folder) -> None:
    link = SshLink("box", Wanted("no-such-box.invalid", config_file=folder.config), Nobody(), QUICK)
    error = await first_trouble(link)
    assert isinstance(error, Unreachable)
    assert error.title == "Host not found"
    assert "no-such-box.invalid" in error.text


async def test_a_silent_peer_is_given_up_in_time(folder: Folder) -> None:
    quick = Ssh(connect_timeout=0.3, retry_first=5)
    async with peer(b"") as port:
        error = await first_trouble(SshLink("box", folder.wanted(port), Nobody(), quick))
    assert (type(error), error.title) == (Unreachable, "Silent peer")


@pytest.mark.parametrize("banner", [b"SSH-1.5-old\r\n", b"\xff" * 70000, b"220 ftp\r\n" * 2000])
async def test_what_is_no_ssh_server_is_said_to_be_none(folder: Folder, banner: bytes) -> None:
    async with peer(banner) as port:
        error = await first_trouble(SshLink("box", folder.wanted(port), Nobody(), QUICK))
    assert (type(error), error.title) == (LinkError, "Not an ssh server")
    assert "\n" not in str(error)


async def test_a_box_that_hangs_up_at_once_is_tried_again(folder: Folder) -> None:
    async with peer(b"", hang_up=True) as port:
        error = await first_trouble(SshLink("box", folder.wanted(port), Nobody(), QUICK))
    assert (type(error), error.title) == (Unreachable, "The box hangs up")
    assert error.again


async def test_a_configuration_that_ssh_refuses_waits_for_the_person(folder: Folder) -> None:
    folder.configure("Port many\n")
    error = await first_trouble(SshLink("box", folder.wanted(0), Nobody(), QUICK))
    assert isinstance(error, ConfigError)
    assert "line 1" in error.text


async def test_a_cut_link_comes_back_and_the_work_begins_again(folder: Folder) -> None:
    seen: list[bytes] = []

    async def work(shell: Shell) -> None:
        async with shell.stream("tick") as channel:
            while line := await channel.read_line(100):
                seen.append(line)

    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        async with kept(SshLink("box", folder.wanted(cable.port), Nobody(), QUICK), work) as link:
            await settled(lambda: len(seen) > 3)
            cable.cut()
            health = await phase(link, Phase.WAITING)
            await settled(lambda: seen.count(b"0\n") == 2)
            assert link.health.value.phase is Phase.LIVE
    assert isinstance(health.reason, Dropped)
    assert health.attempt == 1


async def test_a_link_that_falls_silent_is_noticed_by_its_keepalives(folder: Folder) -> None:
    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        async with kept(SshLink("box", folder.wanted(cable.port), Nobody(), QUICK)) as link:
            await phase(link, Phase.LIVE)
            cable.freeze()
            health = await phase(link, Phase.WAITING)
            assert health.reason is not None
            assert health.reason.title == "No answer any more"
            cable.thaw()
            await phase(link, Phase.LIVE)


async def test_pauses_grow_to_the_cap_with_some_chance_in_them(folder: Folder) -> None:
    settings = Ssh(retry_first=0.02, retry_cap=0.1)
    link = SshLink("box", folder.wanted(free_port()), Nobody(), settings)
    pauses: dict[int, float] = {}

    async def note() -> None:
        async for health in link.health.follow():
            if health.phase is Phase.WAITING and health.retry_at is not None:
                pauses.setdefault(health.attempt, health.retry_at - time.monotonic())

    noting = asyncio.create_task(note())
    async with kept(link):
        await phase(link, Phase.WAITING, attempt=7)
    noting.cancel()
    await asyncio.gather(noting, return_exceptions=True)
    assert pauses[1] <= 0.02
    assert 0.03 <= pauses[5] <= 0.1
    assert all(pause <= 0.1 for pause in pauses.values())


async def test_retry_ends_a_long_pause(folder: Folder) -> None:
    port = free_port()
    patient = Ssh(retry_first=300, retry_cap=300)
    async with kept(SshLink("box", folder.wanted(port), Nobody(), patient)) as link:
        await phase(link, Phase.WAITING)
        async with listening(folder, port=port):
            folder.trust(port)
            link.retry()
            await phase(link, Phase.LIVE)


async def test_a_box_that_comes_back_is_noticed_during_a_long_pause(folder: Folder) -> None:
    patient = Ssh(retry_first=300, retry_cap=300)
    port = free_port()
    folder.trust(port)
    async with kept(SshLink("box", folder.wanted(port), Nobody(), patient)) as link:
        await phase(link, Phase.WAITING)
        async with listening(folder, port=port):
            link.retry()
            await phase(link, Phase.LIVE)
        await phase(link, Phase.WAITING)
        link.retry()
        lost = await phase(link, Phase.WAITING, attempt=2)
        assert lost.retry_at is not None
        async with listening(folder, port=port):
            await phase(link, Phase.LIVE)


async def test_an_error_of_the_work_that_may_pass_begins_it_again_on_the_same_connection(
    folder: Folder,
) -> None:
    begun: list[Shell] = []

    async def work(shell: Shell) -> None:
        begun.append(shell)
        if len(begun) < 3:
            raise ProbeError("Cut", "the probe ended", "")

    async with listening(folder) as server:
        folder.trust(server.port)
        async with kept(SshLink("box", folder.wanted(server.port), Nobody(), QUICK), work) as link:
            health = await phase(link, Phase.WAITING)
            await settled(lambda: len(begun) == 3)
            await phase(link, Phase.LIVE)
        assert len(server.connections) == 1
    assert isinstance(health.reason, ProbeError)


async def test_an_error_of_the_work_that_stays_waits_for_the_person(folder: Folder) -> None:
    begun: list[Shell] = []

    async def work(shell: Shell) -> None:
        begun.append(shell)
        if len(begun) == 1:
            raise RemoteError("No sh", "there is no sh", "")

    async with listening(folder) as server:
        folder.trust(server.port)
        async with kept(SshLink("box", folder.wanted(server.port), Nobody(), QUICK), work) as link:
            health = await phase(link, Phase.REFUSED)
            link.retry()
            await settled(lambda: len(begun) == 2)
            await phase(link, Phase.LIVE)
        assert len(server.connections) == 1
    assert isinstance(health.reason, RemoteError)


async def test_an_error_of_our_own_is_not_hidden(folder: Folder) -> None:
    async def work(shell: Shell) -> None:
        raise ZeroDivisionError

    async with listening(folder) as server:
        folder.trust(server.port)
        link = SshLink("box", folder.wanted(server.port), Nobody(), QUICK)
        with pytest.raises(ExceptionGroup) as raised:
            await link.keep(work)
    assert raised.group_contains(ZeroDivisionError)


class Sleeper:
    """Clocks of a machine that a test puts to sleep."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.looks = 0
        self.clocks = Clocks(time.monotonic, self._always, 0.02)

    def _always(self) -> float:
        self.looks += 1
        return time.monotonic() + self.slept


async def test_after_sleep_a_dead_link_is_noticed_at_once(folder: Folder) -> None:
    sleeper = Sleeper()
    slow = Ssh(keepalive=60, retry_first=0.05)
    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        link = SshLink("box", folder.wanted(cable.port), Nobody(), slow, sleeper.clocks)
        async with kept(link):
            await phase(link, Phase.LIVE)
            cable.freeze()
            began = time.monotonic()
            sleeper.slept = 3600.0
            await phase(link, Phase.WAITING)
            assert 2.5 < time.monotonic() - began < 6
            cable.thaw()
            await phase(link, Phase.LIVE)


async def test_after_sleep_a_good_link_stays(folder: Folder) -> None:
    sleeper = Sleeper()
    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        link = SshLink("box", folder.wanted(cable.port), Nobody(), Ssh(keepalive=60), sleeper.clocks)
        async with kept(link):
            live = await phase(link, Phase.LIVE)
            sleeper.slept = 3600.0
            passed = cable.passed
            await settled(lambda: cable.passed > passed + 1000)  # it was asked, and it answered
            assert link.health.value == live


async def test_after_sleep_a_pause_is_over(folder: Folder) -> None:
    sleeper = Sleeper()
    port = free_port()
    patient = Ssh(retry_first=300, retry_cap=300)
    async with kept(SshLink("box", folder.wanted(port), Nobody(), patient, sleeper.clocks)) as link:
        await phase(link, Phase.WAITING)
        async with listening(folder, port=port):
            folder.trust(port)
            sleeper.slept = 60.0
            await phase(link, Phase.LIVE)


async def test_a_refused_link_is_not_tried_after_sleep(folder: Folder) -> None:
    sleeper = Sleeper()
    async with listening(folder) as server:
        folder.trust(server.port)
        wanted = folder.wanted(server.port, identity="/nowhere/key")
        async with kept(SshLink("box", wanted, Nobody(), QUICK, sleeper.clocks)) as link:
            await phase(link, Phase.REFUSED)
            sleeper.slept = 60.0
            looks = sleeper.looks
            await settled(lambda: sleeper.looks > looks + 3)
            assert link.health.value.phase is Phase.REFUSED
        assert len(server.connections) == 1


async def test_at_most_eight_shake_hands_at_a_time(folder: Folder) -> None:
    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        cable.freeze()
        links = [SshLink(f"box{n}", folder.wanted(cable.port), Nobody(), Ssh()) for n in range(20)]
        tasks = [asyncio.create_task(link.keep(idle)) for link in links]
        steps = {"shaking hands with 127.0.0.1": 8, "reaching 127.0.0.1": 12}
        await settled(lambda: Counter(link.health.value.step for link in links) == steps)
        assert cable.accepted == 8
        cable.thaw()
        for link in links:
            await phase(link, Phase.LIVE)
        assert cable.accepted == 20
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_cancelling_works_in_every_phase(folder: Folder) -> None:
    async with listening(folder) as server, wire(server.port) as cable, peer(b"") as silent:
        folder.trust(cable.port)
        thinking = Person({}, thinks=60)
        locked = folder.key("id_locked", folder.login_key, "x")
        links = [
            (SshLink("a", folder.wanted(cable.port), Nobody(), QUICK), Phase.LIVE),
            (SshLink("b", folder.wanted(silent), Nobody(), QUICK), Phase.CONNECTING),
            (
                SshLink("c", folder.wanted(cable.port, identity=str(locked)), thinking, QUICK),
                Phase.CONNECTING,
            ),
            (SshLink("d", folder.wanted(free_port()), Nobody(), QUICK), Phase.WAITING),
        ]
        for link, wanted in links:
            async with kept(link):
                await phase(link, wanted)
                if link is links[2][0]:
                    await settled(lambda: thinking.asked)


async def test_bytes_that_come_one_by_one_make_whole_lines(folder: Folder) -> None:
    seen: list[bytes] = []

    async def work(shell: Shell) -> None:
        seen.append((await shell.run("hello there")).stdout)

    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        cable.grain = 1
        async with kept(SshLink("box", folder.wanted(cable.port), Nobody(), QUICK), work):
            await settled(lambda: seen)
    assert seen == [b"hello there\n"]


def proxied(folder: Folder, ports: Sequence[int]) -> str:
    """Write a configuration of hops a, b, c..., each behind the one before; returns the last name."""
    text, before = [], ""
    for name, port in zip("abcdefgh", ports, strict=False):
        jump = f"  ProxyJump {before}\n" if before else ""
        text.append(f"Host {name}\n  HostName 127.0.0.1\n  Port {port}\n{jump}")
        before = name
    text.append(f"Host *\n  User ada\n  IdentityFile {folder.identity}\n")
    folder.configure("".join(text))
    return before


def named(folder: Folder, host: str) -> Wanted:
    return Wanted(host, config_file=folder.config, known_hosts=folder.known_hosts)


async def test_two_jump_hosts_are_gone_through(folder: Folder) -> None:
    results: list[bytes] = []

    async def work(shell: Shell) -> None:
        results.append((await shell.run("there")).stdout)

    async with (
        listening(folder, jump=True) as first,
        listening(folder, jump=True) as second,
        listening(folder) as box,
    ):
        ports = [first.port, second.port, box.port]
        last = proxied(folder, ports)
        person = Person({"New host key": "yes"})
        link = SshLink("box", named(folder, last), person, QUICK)
        async with kept(link, work):
            await settled(lambda: results)
            assert link.connection is not None
            assert len(link.connection.hops) == 2
            first.hang_up()
            await phase(link, Phase.WAITING)
            await settled(lambda: len(results) == 2)
        assert [question.about for question in person.asked] == [
            "box (through a)",
            "box (through b)",
            "box",
        ]
        # An unknown key takes a second handshake; the first hop forgot its two when it hung up.
        assert [len(server.connections) for server in (first, second, box)] == [1, 3, 3]


async def test_a_jump_host_that_passes_nothing_on_is_named(folder: Folder) -> None:
    async with listening(folder) as first, listening(folder) as box:
        folder.trust(first.port)
        last = proxied(folder, [first.port, box.port])
        error = await first_trouble(SshLink("box", named(folder, last), Nobody(), QUICK))
    assert isinstance(error, Unreachable)
    assert error.title == "The jump host forbids it"


async def test_a_box_that_the_jump_host_does_not_reach_is_named(folder: Folder) -> None:
    async with listening(folder, jump=True) as first:
        folder.trust(first.port)
        last = proxied(folder, [first.port, free_port()])
        error = await first_trouble(SshLink("box", named(folder, last), Nobody(), QUICK))
    assert isinstance(error, Unreachable)
    assert error.title == "Not reached through the jump host"


async def test_a_jump_host_that_refuses_the_login_is_named(folder: Folder) -> None:
    stranger = guest(asyncssh.generate_private_key("ssh-ed25519"))
    async with listening(folder, stranger, jump=True) as first, listening(folder) as box:
        folder.trust(first.port)
        last = proxied(folder, [first.port, box.port])
        error = await first_trouble(SshLink("box", named(folder, last), Nobody(), QUICK))
        assert box.connections == []
    assert isinstance(error, AuthFailed)
    assert f"ada@127.0.0.1:{first.port} takes none" in error.text


async def test_a_jump_host_that_jumps_through_itself_is_named(folder: Folder) -> None:
    folder.configure("Host box\n  ProxyJump a\nHost a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    error = await first_trouble(SshLink("box", named(folder, "box"), Nobody(), QUICK))
    assert isinstance(error, ConfigError)
    assert error.title == "A jump host that jumps through itself"
