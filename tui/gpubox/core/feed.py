"""A feed: holds the newest value of something and wakes its followers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """Holds the newest value; a slow follower skips what it missed and never builds a queue."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._version = 0
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def value(self) -> T:
        """The newest value."""
        return self._value

    def put(self, value: T) -> None:
        """Replace the value and wake every follower. Call it from the event loop's thread."""
        self._value = value
        self._version += 1
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def follow(self) -> AsyncGenerator[T]:
        """Yield the value there is now, then the newest one after each change; it never ends by itself."""
        seen = self._version
        yield self._value
        while True:
            if seen == self._version:
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                try:
                    await waiter
                finally:
                    self._waiters.discard(waiter)
            seen = self._version
            yield self._value

    async def wait(self, ready: Callable[[T], bool], latest: float) -> bool:
        """Wait for a value until `latest`, a time of the event loop; return whether there was one."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(latest):
                async for value in self.follow():
                    if ready(value):
                        return True
        return False
