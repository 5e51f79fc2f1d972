"""Either side of a live link stands still, as a laptop that sleeps does, and then goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gpubox.agent import bootstrap, probe_session
from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.config.settings import ProbeSettings, Settings, SshSettings
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.target import Target
from gpubox.ssh.link import SshLink
from tests.boxes.scripted import until
from tests.components.desk import Desk
from tests.components.servers import Server, sshd
from tests.process_tree import descendants

_SILENCE = 0.6
"""Seconds that this probe bears without a heartbeat, in place of 45."""

_STEADY = SshSettings(retry_first=0.05, retry_cap=0.2)
"""Keep-alives as they are: a link outlives the silence that its probe does not."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ship a probe that ends after _SILENCE seconds without a heartbeat."""
    probe = bootstrap.program()
    short = b"SILENCE = %.1f" % _SILENCE
    files = {path: text.replace(b"SILENCE = 45.0", short) for path, text in probe.files.items()}
    assert files != probe.files
    changed = replace(probe, files=files)
    monkeypatch.setattr(bootstrap, "program", lambda: changed)
    monkeypatch.setattr(probe_session, "BEAT", 0.1)


def _this_side(_: Server, seconds: float) -> None:
    time.sleep(seconds)  # stands for a sleep of this machine: nothing here runs


def _stopped(pids: list[int], seconds: float) -> None:
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if number == signal.SIGSTOP:
            time.sleep(seconds)  # stands for a sleep of both machines


def _box_side(server: Server, seconds: float) -> None:
    _stopped(descendants(server.process.pid), seconds)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("stand_still", [_this_side, _box_side])
async def test_a_link_heals_by_itself_however_long_it_stood_still(
    desk: Desk, tmp_path: Path, stand_still: Callable[[Server, float], None]
) -> None:
    async with sshd(tmp_path / "a", desk.public) as server:
        desk.trust(server)
        expected = desk.expected(port=server.port, identity=str(desk.identity))
        link = SshLink("box", expected, Nobody(), _STEADY)
        box = Box(BoxContext(Target("box", "ssh"), Settings(probe=ProbeSettings(interval=0.5))), link)
        keeping = asyncio.create_task(box.keep())
        try:
            for number in range(8):
                await until(lambda: box.sample.value is not None and link.health.value.phase is Phase.LIVE)
                # From the very start of the probe to a while after its first sample, and around its end.
                await asyncio.sleep(0.05 * (number % 6))  # the moments of the matrix
                stand_still(server, _SILENCE * (0.5 + number * 0.15))
                box.sample.put(None)
                await until(lambda: box.sample.value)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
