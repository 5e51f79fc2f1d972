"""Repeats requests that may be repeated when the link drops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from gpubox.core.errors import Dropped
from gpubox.core.feed import Feed

L = TypeVar("L")
T = TypeVar("T")

_MOMENT = 1.0
"""Seconds after which a link that still is the one that failed is used once more."""


def connected(links: Feed[L | None], box: str) -> L:
    """Return the link that there is now; raises Dropped when there is none.

    `links` holds anything that comes and goes with the link to `box`: its shell, its channels.
    """
    link = links.value
    if link is None:
        raise Dropped.not_connected(box)
    return link


async def another(links: Feed[L | None], lost: L | None) -> L:
    """Wait for a link and return it; if it still is the one that was lost, after a pause."""
    async with aclosing(links.follow()) as newest:
        async for found in newest:
            if found is None:
                continue
            if found is lost:
                await asyncio.sleep(_MOMENT)
                if links.value is not found:
                    continue
            return found
    raise AssertionError("a feed never ends")


async def retry(links: Feed[L | None], ask: Callable[[], Awaitable[T]]) -> T:
    """Return what `ask` returns, asked again over the next link whenever this one drops.

    It waits for the link as long as that takes. What may not be done twice must not go through here.
    """
    while True:
        asked = links.value
        try:
            return await ask()
        except Dropped:
            await another(links, asked)
