"""Repeats requests over the next link when one drops, for commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from gpubox.boxes.box import Box

T = TypeVar("T")


async def retry(box: Box, ask: Callable[[], Awaitable[T]]) -> T:
    """Return what `ask` returns, asked again over the next link whenever this one drops; see core.retry.

    What may not be done twice must not go through here.
    """
    from gpubox.core.retry import retry as over_links  # asyncio: `--help` does without

    return await over_links(box.shell, ask)
