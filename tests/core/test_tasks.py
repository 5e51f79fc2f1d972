"""Jobs that end together, and cleaning up in a task that was cancelled."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.core.errors import Dropped
from gpubox.core.tasks import in_time, together, uninterrupted


async def fail() -> None:
    await asyncio.sleep(0)
    raise Dropped("Link lost")


async def test_the_first_error_comes_bare_and_ends_the_others() -> None:
    ended = asyncio.Event()

    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(Dropped):
        await together(fail(), other())
    assert ended.is_set()


async def test_a_timeout_after_jobs_that_failed_is_a_timeout() -> None:
    with pytest.raises(Dropped):
        await together(fail(), asyncio.Event().wait())
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()


async def test_cleaning_up_has_its_time_in_a_task_that_was_cancelled() -> None:
    waited: list[bool] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            waited.append(await in_time(asyncio.Event().wait(), 0.01))
            waited.append(await in_time(asyncio.sleep(0), 5))

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert waited == [False, True]


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(Dropped):
        await in_time(fail(), 5)


async def test_what_may_not_be_interrupted_is_done_and_then_the_task_is_cancelled() -> None:
    step, done = asyncio.Event(), False

    async def clean() -> None:
        nonlocal done
        await step.wait()
        done = True

    task = asyncio.create_task(uninterrupted(clean()))
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    step.set()
    await asyncio.wait([task])
    assert done
    assert task.cancelled()


async def test_what_may_not_be_interrupted_raises_its_own_error() -> None:
    with pytest.raises(Dropped):
        await uninterrupted(fail())
