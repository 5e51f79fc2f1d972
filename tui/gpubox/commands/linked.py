"""Runs something over the link to one box, outside the panel: once it is up, and no second try."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from gpubox.boxes.box import Box
from gpubox.core.health import Phase
from gpubox.core.together import together

T = TypeVar("T")


class _Done(Exception):
    """Ends the link when the work is done."""


async def linked(box: Box, work: Callable[[], Awaitable[T]]) -> T:
    """Keep a box, unread, while `work` is done and return what that returns.

    Work begins when the box is connected. Raises what work raises, and why the box cannot be reached when
    the first try fails; later losses are healed by the link meanwhile.
    """
    found: list[T] = []

    async def done() -> None:
        await _connected(box)
        found.append(await work())
        raise _Done

    with suppress(_Done):
        await together(box.keep(probe=False), done())
    return found[0]


async def _connected(box: Box) -> None:
    async for health in box.link.health.follow():
        if health.phase in (Phase.WAITING, Phase.REFUSED) and health.reason is not None:
            raise health.reason
        if health.phase is Phase.LIVE:
            async for shell in box.shell.follow():
                if shell is not None:
                    return
