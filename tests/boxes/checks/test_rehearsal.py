"""The bytes of a rehearsed login: nothing stays open, however often its task is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.boxes.checks import rehearsal


class Silent:
    """A program that says nothing, and takes a moment to notice that nobody reads any more."""

    async def read(self) -> bytes:
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)  # long enough for a second cancellation to come
            raise

    async def write(self, data: bytes) -> None:
        raise AssertionError(data)

    def end(self) -> None:
        pass


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_rehearsal_that_is_cancelled_again_closes_its_sockets(times: int) -> None:
    opened = asyncio.get_running_loop().create_future()

    async def rehearse() -> None:
        async with rehearsal.carried(Silent()) as way:  # pyright: ignore[reportArgumentType]
            opened.set_result(way)
            await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(rehearse())
    way = await opened
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert way.fileno() == -1
