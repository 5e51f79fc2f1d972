"""What the tests of this room share: a box that is kept while a test looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.config.settings import ProbeSettings, Settings
from gpubox.core.target import Target
from tests.boxes.scripted import ScriptedLink, ScriptedShell, until

Open = Callable[..., AbstractAsyncContextManager[tuple[Box, ScriptedShell]]]


@asynccontextmanager
async def _opened(
    shell: ScriptedShell | None = None, probe: ProbeSettings | None = None
) -> AsyncGenerator[tuple[Box, ScriptedShell]]:
    link = ScriptedLink(shell)
    box = Box(BoxContext(Target("xub", "ssh"), Settings(probe=probe or ProbeSettings())), link)
    keeping = asyncio.create_task(box.keep())
    try:
        await until(lambda: link.shell.channels or keeping.done())
        yield box, link.shell
    finally:
        keeping.cancel()
        (ended,) = await asyncio.gather(keeping, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended


@pytest.fixture
def opened() -> Open:
    """Open a scripted box; it is closed behind the block."""
    return _opened
