"""Writes the log of a job to stdout: byte for byte into a pipe or file, cleaned on a terminal."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from functools import cache
from typing import TYPE_CHECKING

from gpubox.commands.features import jobs_of
from gpubox.commands.retry import retry
from gpubox.core.terminal_text import TerminalText

if TYPE_CHECKING:
    from gpubox.boxes.box import Box

_PIECE = 4 << 20
"""Bytes that are searched at once for newlines."""


async def pour(box: Box, job: str, offset: int = 0, *, follow: bool) -> None:
    """Write a log to stdout from byte `offset` to its present end; with `follow`, until the job has ended.

    Raises RemoteError when there is no log, BrokenPipeError when the reader of stdout has gone.
    """
    async with AsyncExitStack() as stack:
        stream = await retry(
            box, lambda: stack.enter_async_context(jobs_of(box).follow(job, offset, wait=follow))
        )
        while data := await stream.read():
            # A slow reader must not block the event loop: the link would be taken for dead.
            await asyncio.to_thread(_write, data)


async def start_of_last(box: Box, job: str, lines: int) -> int:
    """Return the offset of the last lines of a log; an unfinished last line counts as one."""
    jobs = jobs_of(box)
    page = await jobs.page(job, -1, 1)
    at, remaining = page.size, lines + page.data.endswith(b"\n")
    if not lines:
        return at
    while at > 0:
        begin = max(0, at - _PIECE)
        data = (await jobs.page(job, begin, at - begin)).data
        end = len(data)
        while (end := data.rfind(b"\n", 0, end)) >= 0:
            remaining -= 1
            if not remaining:
                return begin + end + 1
        at = begin
    return 0


@cache
def _cleaner() -> TerminalText | None:
    """Return a cleaner of the log when stdout is a terminal, else None."""
    return TerminalText() if os.isatty(1) else None


def _write(data: bytes) -> None:
    cleaner = _cleaner()
    if cleaner is not None:
        data = cleaner.clean(data)
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]
