"""A feed gives the newest value, skips what was missed and leaves nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from gpubox.core.feed import Feed
from tests.hang import LIMIT


async def take(feed: Feed[int], count: int, seen: list[int]) -> None:
    async for value in feed.follow():
        seen.append(value)
        if len(seen) == count:
            return


async def test_a_follower_begins_with_the_value_there_is_and_sees_each_change() -> None:
    feed = Feed(1)
    seen: list[int] = []
    following = asyncio.create_task(take(feed, 3, seen))
    for value in (2, 3):
        await asyncio.sleep(0)
        feed.put(value)
        await asyncio.sleep(0)
    await asyncio.wait_for(following, 5)
    assert seen == [1, 2, 3]
    assert feed.value == 3


async def test_a_slow_follower_skips_what_it_missed() -> None:
    feed = Feed(0)
    async with aclosing(feed.follow()) as values:
        assert await anext(values) == 0
        for number in range(1, 1000):
            feed.put(number)
        assert await asyncio.wait_for(anext(values), 5) == 999


async def test_a_change_while_the_follower_works_is_not_lost() -> None:
    feed = Feed(0)
    async with aclosing(feed.follow()) as values:
        await anext(values)
        waiting = asyncio.ensure_future(anext(values))
        await asyncio.sleep(0)
        feed.put(1)
        feed.put(2)
        assert await waiting == 2
        feed.put(3)
        assert await asyncio.wait_for(anext(values), 5) == 3


async def test_every_follower_is_woken_and_one_that_is_cancelled_harms_no_other() -> None:
    feed = Feed(0)
    seen: list[list[int]] = [[], [], []]
    tasks = [asyncio.create_task(take(feed, 2, each)) for each in seen]
    await asyncio.sleep(0)
    tasks[0].cancel()
    feed.put(1)
    await asyncio.wait_for(asyncio.gather(*tasks[1:]), 5)
    assert seen == [[0], [0, 1], [0, 1]]
    assert tasks[0].cancelled()


async def test_putting_the_same_value_again_is_news_too() -> None:
    feed = Feed(1)
    seen: list[int] = []
    following = asyncio.create_task(take(feed, 2, seen))
    await asyncio.sleep(0)
    feed.put(1)
    await asyncio.wait_for(following, 5)
    assert seen == [1, 1]


async def test_a_value_is_waited_for_until_a_moment() -> None:
    feed = Feed(0)
    now = asyncio.get_running_loop().time()
    assert not await feed.wait(lambda value: value == 2, now)
    waiting = asyncio.create_task(feed.wait(lambda value: value == 2, now + LIMIT))
    for value in (1, 2):
        await asyncio.sleep(0)
        feed.put(value)
    assert await waiting
    assert await feed.wait(lambda value: value == 2, now + LIMIT)
