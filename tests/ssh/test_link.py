"""Connecting again: when, how often, at whose word, and with what on the way."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest

from gpubox.config.settings import SshSettings
from gpubox.core.errors import (
    ConfigError,
    Dropped,
    LinkError,
    ProbeError,
    ProbeTooNew,
    RemoteError,
    Unreachable,
)
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.ssh.link import SshLink
from gpubox.ssh.resolve import HostSpec
from tests.ssh.fakes import (
    QUICK,
    Folder,
    Person,
    first_trouble,
    free_port,
    idle,
    listening,
    phase,
    running,
    settled,
)
from tests.ssh.wire import peer, wire


async def test_a_closed_port_is_named_and_tried_again(folder: Folder) -> None:
    port = free_port()
    link = SshLink("box", folder.spec(port), Nobody(), QUICK)
    async with running(link):
        health = await phase(link, Phase.WAITING, attempt=3)
    assert isinstance(health.reason, Unreachable)
    assert health.reason.title == "Connection refused"
    assert f"port {port}" in health.reason.text
    assert health.retry_at is not None


async def test_an_unknown_name_is_named(folder: Folder) -> None:
    link = SshLink("box", HostSpec("no-such-box.invalid", config_file=folder.config), Nobody(), QUICK)
    error = await first_trouble(link)
    assert isinstance(error, Unreachable)
    assert error.title == "Host not found"
    assert "no-such-box.invalid" in error.text


async def test_a_silent_peer_is_given_up_in_time(folder: Folder) -> None:
    quick = SshSettings(connect_timeout=0.3, retry_first=5)
    async with peer(b"") as port:
        error = await first_trouble(SshLink("box", folder.spec(port), Nobody(), quick))
    assert (type(error), error.title) == (Unreachable, "Silent peer")


@pytest.mark.parametrize("banner", [b"SSH-1.5-old\r\n", b"\xff" * 70000, b"220 ftp\r\n" * 2000])
async def test_what_is_no_ssh_server_is_said_to_be_none(folder: Folder, banner: bytes) -> None:
    async with peer(banner) as port:
        error = await first_trouble(SshLink("box", folder.spec(port), Nobody(), QUICK))
    assert (type(error), error.title) == (LinkError, "Not an ssh server")
    assert "\n" not in str(error)


async def test_a_box_that_hangs_up_at_once_is_tried_again(folder: Folder) -> None:
    async with peer(b"", hang_up=True) as port:
        error = await first_trouble(SshLink("box", folder.spec(port), Nobody(), QUICK))
    assert (type(error), error.title) == (Unreachable, "The box hangs up")
    assert error.again


async def test_a_configuration_that_ssh_refuses_waits_for_the_person(folder: Folder) -> None:
    folder.configure("Port many\n")
    error = await first_trouble(SshLink("box", folder.spec(0), Nobody(), QUICK))
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
        async with running(SshLink("box", folder.spec(cable.port), Nobody(), QUICK), work) as link:
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
        async with running(SshLink("box", folder.spec(cable.port), Nobody(), QUICK)) as link:
            await phase(link, Phase.LIVE)
            cable.freeze()
            health = await phase(link, Phase.WAITING)
            assert health.reason is not None
            assert health.reason.title == "No answer any more"
            cable.thaw()
            await phase(link, Phase.LIVE)


async def test_pauses_grow_to_the_cap_with_some_chance_in_them(folder: Folder) -> None:
    settings = SshSettings(retry_first=0.02, retry_cap=0.1)
    link = SshLink("box", folder.spec(free_port()), Nobody(), settings)
    pauses: dict[int, float] = {}

    async def note() -> None:
        async for health in link.health.follow():
            if health.phase is Phase.WAITING and health.retry_at is not None:
                pauses.setdefault(health.attempt, health.retry_at - time.monotonic())

    noting = asyncio.create_task(note())
    async with running(link):
        await phase(link, Phase.WAITING, attempt=7)
    noting.cancel()
    await asyncio.gather(noting, return_exceptions=True)
    assert pauses[1] <= 0.02
    assert 0.03 <= pauses[5] <= 0.1
    assert all(pause <= 0.1 for pause in pauses.values())


async def test_retry_ends_a_long_pause(folder: Folder) -> None:
    port = free_port()
    patient = SshSettings(retry_first=300, retry_cap=300)
    async with running(SshLink("box", folder.spec(port), Nobody(), patient)) as link:
        await phase(link, Phase.WAITING)
        async with listening(folder, port=port):
            folder.trust(port)
            link.retry()
            await phase(link, Phase.LIVE)


async def test_a_box_that_comes_back_is_noticed_during_a_long_pause(folder: Folder) -> None:
    patient = SshSettings(retry_first=300, retry_cap=300)
    port = free_port()
    folder.trust(port)
    async with running(SshLink("box", folder.spec(port), Nobody(), patient)) as link:
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
        async with running(SshLink("box", folder.spec(server.port), Nobody(), QUICK), work) as link:
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
            raise ProbeTooNew("Too new", "format 9")

    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Nobody(), QUICK), work) as link:
            health = await phase(link, Phase.REFUSED)
            link.retry()
            await settled(lambda: len(begun) == 2)
            await phase(link, Phase.LIVE)
        assert len(server.connections) == 1
    assert isinstance(health.reason, ProbeTooNew)


async def test_what_a_box_refuses_the_work_is_asked_for_again(folder: Folder) -> None:
    begun: list[Shell] = []

    async def work(shell: Shell) -> None:
        begun.append(shell)
        if len(begun) == 1:
            raise RemoteError("No further session", "the box still counts one that has ended")

    async with listening(folder) as server:
        folder.trust(server.port)
        async with running(SshLink("box", folder.spec(server.port), Nobody(), QUICK), work) as link:
            await settled(lambda: len(begun) == 2)
            await phase(link, Phase.LIVE)
        assert len(server.connections) == 1


async def test_an_error_of_our_own_is_not_hidden(folder: Folder) -> None:
    async def work(shell: Shell) -> None:
        raise ZeroDivisionError

    async with listening(folder) as server:
        folder.trust(server.port)
        link = SshLink("box", folder.spec(server.port), Nobody(), QUICK)
        with pytest.raises(ExceptionGroup) as raised:
            await link.keep(work)
    assert raised.group_contains(ZeroDivisionError)


async def test_at_most_eight_shake_hands_at_a_time(folder: Folder) -> None:
    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        cable.freeze()
        links = [SshLink(f"box{n}", folder.spec(cable.port), Nobody(), SshSettings()) for n in range(20)]
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
            (SshLink("a", folder.spec(cable.port), Nobody(), QUICK), Phase.LIVE),
            (SshLink("b", folder.spec(silent), Nobody(), QUICK), Phase.CONNECTING),
            (
                SshLink("c", folder.spec(cable.port, identity=str(locked)), thinking, QUICK),
                Phase.CONNECTING,
            ),
            (SshLink("d", folder.spec(free_port()), Nobody(), QUICK), Phase.WAITING),
        ]
        for link, expected in links:
            async with running(link):
                await phase(link, expected)
                if link is links[2][0]:
                    await settled(lambda: thinking.asked)


async def test_bytes_that_come_one_by_one_make_whole_lines(folder: Folder) -> None:
    seen: list[bytes] = []

    async def work(shell: Shell) -> None:
        seen.append((await shell.run("hello there")).stdout)

    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        cable.grain = 1
        async with running(SshLink("box", folder.spec(cable.port), Nobody(), QUICK), work):
            await settled(lambda: seen)
    assert seen == [b"hello there\n"]
