"""Noticing between two tries to log in that a box can be reached again."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.config.settings import SshSettings
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.ssh.link import SshLink
from gpubox.ssh.port_probe import knock
from tests.ssh.fakes import Folder, listening, phase, running, settled
from tests.ssh.wire import peer, wire

PATIENT = SshSettings(retry_first=300, retry_cap=300)


async def test_a_way_that_accepts_and_hangs_up_is_looked_at_until_a_server_greets_behind_it(
    folder: Folder,
) -> None:
    async with listening(folder) as server, wire(server.port) as way:
        folder.trust(way.port)
        async with running(SshLink("box", folder.spec(way.port), Nobody(), PATIENT)) as link:
            await phase(link, Phase.LIVE)
            way.says = b""
            way.cut()
            await phase(link, Phase.WAITING)
            link.retry()
            await phase(link, Phase.WAITING, attempt=2)
            seen = way.accepted
            await settled(lambda: way.accepted > seen + 1)
            assert link.health.value.attempt == 2, "a look is no try to log in"
            way.says = None
            await phase(link, Phase.LIVE)


async def test_a_server_that_greets_and_then_fails_is_not_tried_sooner_for_it(folder: Folder) -> None:
    async with listening(folder) as server, wire(server.port) as way:
        folder.trust(way.port)
        async with running(SshLink("box", folder.spec(way.port), Nobody(), PATIENT)) as link:
            await phase(link, Phase.LIVE)
            way.says = b"SSH-2.0-busy\r\n"
            way.cut()
            await phase(link, Phase.WAITING)
            link.retry()
            await phase(link, Phase.WAITING, attempt=2)
            seen = way.accepted
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await settled(lambda: way.accepted > seen)


async def test_a_server_that_says_it_is_asked_too_often_is_left_alone() -> None:
    async with peer(b"Exceeded MaxStartups\r\n", hang_up=True) as port, wire(port) as way:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await knock("127.0.0.1", way.port)
        assert way.accepted == 1
