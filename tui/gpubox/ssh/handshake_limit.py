"""Limits concurrent handshakes and their time; both are released while a prompt is open."""

from __future__ import annotations

import asyncio
import weakref
from types import TracebackType

from gpubox.core.prompts import Asker, Question

AT_ONCE = 8
"""Concurrent handshakes over all boxes, and to one server: MaxStartups drops from the tenth on."""


class _Places:
    """The semaphores of one event loop."""

    def __init__(self) -> None:
        self.all = asyncio.Semaphore(AT_ONCE)
        self.servers: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()

    def server(self, name: str) -> asyncio.Semaphore:
        place = self.servers.get(name)
        if place is None:
            place = self.servers[name] = asyncio.Semaphore(AT_ONCE)
        return place


_places: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Places] = weakref.WeakKeyDictionary()


def _of_this_loop() -> _Places:
    return _places.setdefault(asyncio.get_running_loop(), _Places())


class Handshake:
    """One handshake with one server.

    Entering acquires a slot of the server unless `reserve` did, `connected` a global one: boxes that are off
    block nobody else.
    Raises TimeoutError after `limit` seconds, not counting those in which the user is asked.
    """

    def __init__(self, server: str, limit: float, asker: Asker) -> None:
        places = _of_this_loop()
        self._needed = [places.server(server)]
        self._all = places.all
        self._held: list[asyncio.Semaphore] = []
        self._taking = asyncio.Lock()
        self._limit = limit
        self._asker = asker
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> Handshake:
        await self._take()
        await self._timeout.__aenter__()
        self._restart()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        await self._timeout.__aexit__(kind, error, trace)

    async def reserve(self) -> None:
        """Acquire the slot of the server before entering; `release` it if the handshake is never entered."""
        await self._take()

    async def connected(self) -> None:
        """Note that TCP is connected and the handshake begins; may wait for a slot."""
        self._timeout.reschedule(None)
        self._needed.append(self._all)
        await self._take()
        self._restart()

    async def ask(self, question: Question) -> str | None:
        """Ask the user; the clock stops, and the slots are released meanwhile."""
        self._timeout.reschedule(None)
        self.release()
        answer = await self._asker.ask(question)
        await self._take()
        self._restart()
        return answer

    def _restart(self) -> None:
        self._timeout.reschedule(asyncio.get_running_loop().time() + self._limit)

    async def _take(self) -> None:
        async with self._taking:
            for place in self._needed[len(self._held) :]:
                await place.acquire()
                self._held.append(place)

    def release(self) -> None:
        """Release all slots that it holds."""
        while self._held:
            self._held.pop().release()
