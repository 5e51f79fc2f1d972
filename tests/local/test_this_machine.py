"""The whole way without ssh: this machine as a box, with the real probe."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.boxes.factory import open_box
from gpubox.boxes.processes import ProcessSignals
from gpubox.boxes.targets import parse
from gpubox.config.settings import ProbeSettings, Settings
from gpubox.core.errors import RemoteError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.sample import Process
from gpubox.local.link import LocalLink
from tests.boxes.scripted import until

SETTINGS = Settings(probe=ProbeSettings(interval=0.5, top_processes=100))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe is kept in a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@asynccontextmanager
async def opened(box: Box | None = None) -> AsyncGenerator[Box]:
    box = box or open_box(parse("local", SETTINGS), SETTINGS, Nobody())
    keeping = asyncio.create_task(box.keep())
    try:
        await until(lambda: box.sample.value or keeping.done(), 30)
        yield box
    finally:
        keeping.cancel()
        (ended,) = await asyncio.gather(keeping, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended


async def test_this_machine_is_seen_as_it_is() -> None:
    async with opened() as box:
        sample = box.sample.value
        assert sample is not None
        assert sample.host.hostname == socket.gethostname()
        assert abs(sample.time - time.time()) < 10
        assert sample.host.memory_total
        assert sample.probe.python == ".".join(map(str, sys.version_info[:3]))
        await until(lambda: box.rtt is not None, 10)
        await until(lambda: box.sample.value is not None and box.sample.value.host.cpu is not None, 10)
        assert "host/cpu" in set(box.history.keys())
        assert box.trouble.value is None
        assert box.link.health.value.phase is Phase.LIVE


async def test_without_python_this_machine_is_seen_all_the_same() -> None:
    target = parse("local", SETTINGS)
    context = BoxContext(target, SETTINGS, python="/nonexistent/python")
    async with opened(Box(context, LocalLink())) as box:
        sample = box.sample.value
        assert sample is not None
        assert sample.host.hostname == socket.gethostname()
        assert sample.probe.python == ""
        await until(lambda: box.rtt is not None, 10)
        await until(lambda: box.sample.value is not None and box.sample.value.host.cpu is not None, 10)
        assert box.trouble.value is None


async def test_closing_the_box_ends_its_probe() -> None:
    before = probes()
    async with opened():
        (pid,) = probes() - before
    await until(lambda: pid not in probes())


def probes() -> set[int]:
    """Pids of the probes that this test run has started."""
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
            mine = (
                f"XDG_CACHE_HOME={os.environ['XDG_CACHE_HOME']}".encode() in (folder / "environ").read_bytes()
            )
        except OSError:
            continue
        if mine and b"\0-I\0-S\0" in words:
            found.add(int(folder.name))
    return found


async def test_a_killed_probe_comes_back() -> None:
    before = probes()
    async with opened() as box:
        (pid,) = probes() - before
        seen = box.received_at
        os.kill(pid, 9)
        await until(lambda: probes() - before - {pid}, 10)
        await until(lambda: box.received_at != seen and box.link.health.value.phase is Phase.LIVE, 10)


async def test_a_process_that_the_probe_shows_can_be_signaled_and_a_later_one_cannot() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:  # noqa: ASYNC220
        try:
            async with opened() as box:
                await until(lambda: shown(box, busy.pid), 20)
                process = shown(box, busy.pid)
                assert process is not None
                assert process.started is not None
                later = msgspec.structs.replace(process, started=process.started + 60)
                with pytest.raises(RemoteError, match="Not the same process"):
                    await box.use(ProcessSignals).send(later, "KILL")
                assert busy.poll() is None
                await box.use(ProcessSignals).send(process, "TERM")
                assert await asyncio.to_thread(busy.wait, 10) == -15
        finally:
            busy.kill()


def shown(box: Box, pid: int) -> Process | None:
    """The process of the newest sample, if it is in it."""
    sample = box.sample.value
    return next((process for process in sample.processes if process.pid == pid), None) if sample else None
