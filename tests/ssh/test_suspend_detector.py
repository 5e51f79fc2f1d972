"""What a link does after this machine slept."""

from __future__ import annotations

import time

from gpubox.config.settings import SshSettings
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.ssh.link import SshLink
from gpubox.ssh.suspend_detector import Clocks
from tests.ssh.fakes import (
    QUICK,
    Folder,
    free_port,
    listening,
    phase,
    running,
    settled,
)
from tests.ssh.wire import wire


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
    slow = SshSettings(keepalive=60, retry_first=0.05)
    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        link = SshLink("box", folder.spec(cable.port), Nobody(), slow, sleeper.clocks)
        async with running(link):
            await phase(link, Phase.LIVE)
            cable.freeze()
            began = time.monotonic()
            sleeper.slept = 3600.0
            await phase(link, Phase.WAITING)  # keep-alives would take 3 minutes, and the wait ends before
            assert time.monotonic() - began > 2.5
            cable.thaw()
            await phase(link, Phase.LIVE)


async def test_after_sleep_a_good_link_stays(folder: Folder) -> None:
    sleeper = Sleeper()
    async with listening(folder) as server, wire(server.port) as cable:
        folder.trust(cable.port)
        link = SshLink("box", folder.spec(cable.port), Nobody(), SshSettings(keepalive=60), sleeper.clocks)
        async with running(link):
            live = await phase(link, Phase.LIVE)
            sleeper.slept = 3600.0
            passed = cable.passed
            await settled(lambda: cable.passed > passed + 1000)  # it was asked, and it answered
            assert link.health.value == live


async def test_after_sleep_a_pause_is_over(folder: Folder) -> None:
    sleeper = Sleeper()
    port = free_port()
    patient = SshSettings(retry_first=300, retry_cap=300)
    async with running(SshLink("box", folder.spec(port), Nobody(), patient, sleeper.clocks)) as link:
        await phase(link, Phase.WAITING)
        async with listening(folder, port=port):
            folder.trust(port)
            sleeper.slept = 60.0
            await phase(link, Phase.LIVE)


async def test_a_refused_link_is_not_tried_after_sleep(folder: Folder) -> None:
    sleeper = Sleeper()
    async with listening(folder) as server:
        folder.trust(server.port)
        spec = folder.spec(server.port, identity="/nowhere/key")
        async with running(SshLink("box", spec, Nobody(), QUICK, sleeper.clocks)) as link:
            await phase(link, Phase.REFUSED)
            sleeper.slept = 60.0
            looks = sleeper.looks
            await settled(lambda: sleeper.looks > looks + 3)
            assert link.health.value.phase is Phase.REFUSED
        assert len(server.connections) == 1
