"""Repeats idempotent requests after a drop of the link."""

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
"""Seconds after which an unchanged link is tried again."""


def connected(links: Feed[L | None], box: str) -> L:
    """Return the present link; raises Dropped when there is none.

    `links` holds anything that comes and goes with the link to `box`: its shell, its channels.
    """
    link = links.value
    if link is None:
        raise Dropped.not_connected(box)
    return link


async def another(links: Feed[L | None], lost: L | None) -> L:
    """Wait for a link and return it; the lost one too, when it has not been replaced after a moment."""
    latest = asyncio.get_running_loop().time() + _MOMENT
    if lost is not None and not await links.wait(lambda link: link is not lost, latest):
        return lost
    async with aclosing(links.follow()) as newest:
        async for found in newest:
            if found is not None:
                return found
    raise AssertionError("a feed never ends")


async def retry(links: Feed[L | None], ask: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `ask`, which is called again over the next link after each drop.

    Waits for the link without a limit. Only for requests that may be repeated.
    """
    while True:
        asked = links.value
        try:
            return await ask()
        except Dropped:
            await another(links, asked)
