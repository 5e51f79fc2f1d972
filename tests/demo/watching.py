"""Watching the demo box, as the panel does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gpubox.boxes.box import Box
from gpubox.boxes.factory import open_box
from gpubox.boxes.targets import DEMO
from gpubox.config.settings import ProbeSettings, Settings
from gpubox.core.prompts import Nobody
from gpubox.core.sample import Sample
from gpubox.core.tasks import together
from tests.hang import LIMIT


class Done(Exception):
    """The test saw enough."""


async def live(watch: Callable[[Box], Awaitable[None]]) -> None:
    """Open the demo box as the panel does and watch it."""
    box = open_box(DEMO, Settings(probe=ProbeSettings(interval=0.5)), Nobody())

    async def watched() -> None:
        await watch(box)
        raise Done

    with suppress(Done):
        await together(box.keep(), watched())


async def sample_with(box: Box, expected: Callable[[Sample], bool]) -> Sample:
    """Wait for a sample that is as wanted."""
    async with asyncio.timeout(LIMIT):
        async for sample in box.sample.follow():
            if sample is not None and expected(sample):
                return sample
    raise AssertionError
