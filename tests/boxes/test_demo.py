"""The demo box through its own link: the same way as any box, labeled as what it is, and gone at the end."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.boxes.demo import DemoLink
from gpubox.boxes.factory import open_box
from gpubox.config.settings import Settings, SshSettings
from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Nobody
from gpubox.core.shell import Shell
from gpubox.core.target import Target
from tests.boxes.scripted import until


async def test_the_demo_box_is_read_over_ssh_and_ends_with_its_link() -> None:
    box = open_box(Target("demo", "demo"), Settings(), Nobody())
    phases: list[Phase] = []

    async def note() -> None:
        async for health in box.link.health.follow():
            phases.append(health.phase)  # noqa: PERF401  # it never ends by itself

    noting = asyncio.create_task(note())
    keeping = asyncio.create_task(box.keep())
    try:
        await until(lambda: box.sample.value or keeping.done(), 30)
        sample = box.sample.value
        assert sample is not None
        assert sample.driver.simulated
        assert {gpu.simulated for gpu in sample.gpus} == {True}
        assert "127.0.0.1" in box.link.health.value.address
        box.retry()
    finally:
        for task in (noting, keeping):
            task.cancel()
        await asyncio.gather(noting, keeping, return_exceptions=True)
    assert keeping.cancelled()
    assert Phase.IDLE not in phases[1:]
    assert phases[1] is Phase.CONNECTING
    assert box.link.health.value.phase is Phase.IDLE


async def test_a_demo_box_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise GpuBoxError("No room", "the disk is full")

    async def work(_: Shell) -> None:
        raise AssertionError

    monkeypatch.setattr("gpubox.demo.box.demo_box", fail)
    link = DemoLink("demo", Nobody(), SshSettings())
    link.retry()
    keeping = asyncio.create_task(link.keep(work))
    await until(lambda: link.health.value.phase is Phase.REFUSED)
    assert link.health.value.reason is not None
    assert link.health.value.reason.title == "No room"
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert keeping.cancelled()
