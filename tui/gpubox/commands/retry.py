"""Repeats requests over the next link when one drops, for commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.core.job import JobSpec
    from gpubox.core.record import Record

T = TypeVar("T")
_EXPLAIN = 50
"""Looks at an ended job, five a second: a login's start files take 8 seconds at most."""


async def retry(box: Box, ask: Callable[[], Awaitable[T]]) -> T:
    """Return what `ask` returns, asked again over the next link whenever this one drops; see core.retry.

    What may not be done twice must not go through here.
    """
    from gpubox.core.retry import retry as over_links  # asyncio: `--help` does without

    return await over_links(box.shell, ask)


async def launched(box: Box, spec: JobSpec) -> Record:
    """Start a job and return its record; asked for again over the next link it starts no second one."""
    return await retry(box, lambda: box.jobs.launch(spec))


async def ended(box: Box, job: str) -> Record:
    """Wait for the end of a job and return its record; raises RemoteError when it is not there."""
    import asyncio

    while True:
        record = await retry(box, lambda: box.jobs.show(job))
        if record.state == "ended":
            return record
        await asyncio.sleep(0.3)


async def explained(box: Box, record: Record) -> Record:
    """Return the record of an ended job once the box has looked for what it did not find, as it soon has."""
    import asyncio

    for _ in range(_EXPLAIN):
        if not record.explaining:
            break
        await asyncio.sleep(0.2)
        record = await retry(box, lambda: box.jobs.show(record.id))  # noqa: B023 - called at once
    return record
