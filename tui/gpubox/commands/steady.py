"""Asking a box through losses of its link: what may be asked twice is asked again on the next one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from gpubox.core.errors import Dropped

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.core.record import Record

T = TypeVar("T")


async def steady(box: Box, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask for something that may be asked twice, again on the next link when this one is lost."""
    while True:
        shell = box.shell.value
        try:
            return await ask()
        except Dropped:
            await next_link(box, shell)


async def next_link(box: Box, before: object) -> None:
    """Wait for another link than that one; where it is still the same, for a moment."""
    import asyncio

    if box.shell.value is before and before is not None:
        await asyncio.sleep(1.0)
        return
    async for shell in box.shell.follow():
        if shell is not None:
            return


async def ended(box: Box, job: str) -> Record:
    """Wait for the end of a job and return its record; raises RemoteError when it is not there."""
    import asyncio

    while True:
        record = await steady(box, lambda: box.jobs.show(job))
        if record.state == "ended":
            return record
        await asyncio.sleep(0.3)
