"""Jobs that live and die together, with the error that ended them bare."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import cast


async def together(*jobs: Coroutine[object, object, object]) -> None:
    """Run jobs at the same time until all have returned.

    The first one that raises ends the others, and its error is raised as it is: a TaskGroup wraps it in an
    ExceptionGroup, which no `except GpuBoxError` would catch.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except BaseExceptionGroup as group:
        error = _first(group)
        raise error from error.__cause__


def _first(error: BaseException) -> BaseException:
    if not isinstance(error, BaseExceptionGroup):
        return error
    return _first(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
