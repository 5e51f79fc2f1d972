"""What was lost with a link is asked again over the next one, as soon as there is one."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.core import retry
from gpubox.core.errors import Dropped
from gpubox.core.feed import Feed
from tests.hang import LIMIT


async def test_a_link_that_comes_within_the_moment_is_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_MOMENT", LIMIT)
    links: Feed[str | None] = Feed("old")
    waiting = asyncio.ensure_future(retry.another(links, "old"))
    await asyncio.sleep(0)
    links.put(None)  # the loss is heard of only now
    await asyncio.sleep(0)
    assert not waiting.done()
    links.put("new")
    async with asyncio.timeout(LIMIT / 2):
        assert await waiting == "new"


async def test_a_link_that_stays_is_tried_again_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_MOMENT", 0.01)
    links: Feed[str | None] = Feed("same")
    asked: list[str | None] = []

    async def ask() -> str:
        asked.append(links.value)
        if len(asked) < 3:
            raise Dropped("Link lost")
        return "answer"

    async with asyncio.timeout(LIMIT):
        assert await retry.retry(links, ask) == "answer"
    assert asked == ["same"] * 3


async def test_without_a_link_it_waits_for_one() -> None:
    links: Feed[str | None] = Feed(None)
    waiting = asyncio.ensure_future(retry.another(links, None))
    await asyncio.sleep(0)
    assert not waiting.done()
    links.put("first")
    async with asyncio.timeout(LIMIT):
        assert await waiting == "first"
