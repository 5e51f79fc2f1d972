"""Repeats requests over the next link when one drops, for commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from gpubox.boxes.box import Box

T = TypeVar("T")


async def retry(box: Box, ask: Callable[[], Awaitable[T]]) -> T:
    """Return what `ask` returns; after a drop of the link, `ask` is called again. See core.retry.

    Only for requests that may be repeated.
    """
    from gpubox.core.retry import retry as over_links  # asyncio: `--help` does without

    return await over_links(box.shell, ask)
