"""Runs tasks that live and die together, and raises the first error unwrapped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import cast


async def together(*jobs: Coroutine[object, object, object]) -> None:
    """Run coroutines concurrently until all have returned.

    The first one that raises ends the others, and its error is raised as it is: a TaskGroup wraps it in an
    ExceptionGroup, which no `except GpuBoxError` would catch.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except BaseExceptionGroup as group:
        # A group of Python 3.11 leaves its own request to cancel counted, and every asyncio.timeout after it
        # takes its expiry for that.
        if task and task.cancelling() > before:
            task.uncancel()
        error = _first(group)
        raise error from error.__cause__


def _first(error: BaseException) -> BaseException:
    if not isinstance(error, BaseExceptionGroup):
        return error
    return _first(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])


async def uninterrupted(work: Coroutine[object, object, None]) -> None:
    """Do work to its end although this task is cancelled meanwhile; CancelledError is raised afterwards.

    For ending processes: a task that is cancelled again would leave a process that is about to be killed.
    Raises what the work raises.
    """
    doing = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.wait([doing])
        except asyncio.CancelledError as error:
            cancelled = error
    doing.result()
    if cancelled is not None:
        raise cancelled


async def in_time(work: Awaitable[object], seconds: float) -> bool:
    """Return whether work ended within `seconds`; if not, it is cancelled. Raises what the work raises.

    For cleaning up: in a task that was cancelled before, `asyncio.timeout` of Python 3.11.3 and older
    ends in CancelledError instead of TimeoutError, and the rest of the cleaning would not be done.
    """
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.wait([doing], timeout=seconds)
        return doing.done()
    finally:
        if doing.done():
            doing.result()
        else:
            doing.cancel()
            await asyncio.wait([doing])
