"""The tunnels of one box: wished once, held open through every loss of the link."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

from gpubox.boxes.listeners import listening
from gpubox.boxes.ports import Ports
from gpubox.boxes.tunnel import Around, Find, Held, NothingListens, Tunnel, TunnelPhase
from gpubox.core.doors import Doors, Forward
from gpubox.core.errors import Cancelled, Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.core.wishes import Wished, at_home, parse, short

TICK = 1.0
"""Seconds between two looks at what went through."""
PATIENCE = 5.0
"""Seconds that somebody who wants a tunnel waits for the link."""
LISTEN = 5.0
"""Seconds between two looks whether somebody listens on the box by now."""


class Tunnels:
    """What is wished, what stands, and why something does not."""

    def __init__(self, box: str, *, ports: Ports | None = None, find: Find | None = None) -> None:
        self.feed: Feed[tuple[Tunnel, ...]] = Feed(())
        """All tunnels in the order they were wished, with counts that are at most TICK seconds old."""
        self._box = box
        self._ports = ports or Ports(box)
        self._around = Around(box, self._ports, find, self._publish)
        self._held: dict[int, Held] = {}
        self._number = 0
        self._doors: Doors | None = None
        self._group: asyncio.TaskGroup | None = None

    def wish(self, lines: Iterable[str]) -> None:
        """Wish for the tunnels that lines of the settings mean; raises ConfigError."""
        for line in lines:
            wished = parse(line)
            self.add(wished.wish, wished.name)

    def add(self, wish: Forward | None, name: str = "") -> Tunnel:
        """Wish for a tunnel and return it; one of that name to the same place is there only once.

        Without a wish the name is a service's, which is found when the box is connected. It opens then,
        or at once.
        """
        wished = Wished(name or (short(wish) if wish is not None else ""), wish)
        for held in self._held.values():
            if _same(held.now, wished):
                if held.now.phase in (TunnelPhase.STOPPED, TunnelPhase.FAILED):
                    held.begin(self._doors, self._group)
                return held.now
        self._number += 1
        held = Held(self._around, Tunnel(self._number, wished.name, wish))
        self._held[self._number] = held
        held.begin(self._doors, self._group)
        return held.now

    async def open(self, wish: Forward | None, name: str = "") -> Tunnel:
        """Wish for a tunnel and wait until it is open.

        Raises why it cannot be opened, Cancelled when it is stopped meanwhile, and Dropped when the box is
        not connected for PATIENCE seconds; the wish is kept then.
        """
        held = self._held[self.add(wish, name).id]
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as limit:
                async for _ in self.feed.follow():
                    now = held.now
                    if now.phase is TunnelPhase.OPEN:
                        return now
                    if now.phase is TunnelPhase.FAILED and now.reason is not None:
                        raise now.reason
                    if now.phase is TunnelPhase.STOPPED:
                        raise Cancelled("Stopped", f"{now.name} was stopped before it was open")
                    if now.phase is not TunnelPhase.WAITING:
                        limit.reschedule(None)
                    elif limit.when() is None:
                        limit.reschedule(clock() + PATIENCE)
        except TimeoutError:
            pass
        raise Dropped("Not connected", f"{self._box} cannot be reached now", "The tunnel opens when it is")

    async def stop(self, tunnel: int) -> None:
        """Close a tunnel and its connections; it stays in the list. An unknown number does nothing."""
        held = self._held.get(tunnel)
        if held is not None:
            await held.end()
            held.put(TunnelPhase.STOPPED)

    async def restart(self, tunnel: int) -> None:
        """Close a tunnel and open it anew, on its own port if that is free again; a stopped one is opened."""
        held = self._held.get(tunnel)
        if held is not None:
            await held.end()
            held.anew()
            held.begin(self._doors, self._group)

    async def forget(self, tunnel: int) -> None:
        """Close a tunnel and take it off the list."""
        held = self._held.get(tunnel)
        if held is not None:
            await self.stop(tunnel)
            self._held.pop(tunnel, None)
            self._publish()

    async def keep(self, doors: Feed[Doors | None], shell: Feed[Shell | None] | None = None) -> None:
        """Hold every wished tunnel open while there are doors, until cancelled.

        With a shell it is looked up whether anybody listens at the far end.
        """
        await self._ports.load()
        while True:
            now = doors.value
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(self._over(now, shell)) if now is not None else None
                async for newest in doors.follow():
                    if newest is not now:
                        break
                if holding is not None:
                    holding.cancel()

    async def _over(self, doors: Doors, shell: Feed[Shell | None] | None) -> None:
        """Hold the tunnels over one link."""
        try:
            async with asyncio.TaskGroup() as group:
                self._doors, self._group = doors, group
                for held in self._held.values():
                    if held.now.phase is not TunnelPhase.STOPPED:
                        held.begin(doors, group)
                group.create_task(self._count())
                if shell is not None:
                    group.create_task(self._listen(shell))
        finally:
            self._doors = self._group = None
            for held in self._held.values():
                held.rest()

    async def _count(self) -> None:
        """Look at the counts and at refusals, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            changed = [held.look() for held in self._held.values()]
            if any(changed):
                self._publish()

    async def _listen(self, shell: Feed[Shell | None]) -> None:
        """Look whether somebody listens at the far ends: once for each, and on while nobody does."""
        seen: set[tuple[int, int]] = set()
        asked = 0.0
        while True:
            tunnels = self.feed.value
            here = {(one.id, one.port) for one in tunnels if _open_at_home(one)}
            silent = any(isinstance(one.reason, NothingListens) for one in tunnels)
            now = time.monotonic()
            if here - seen or (silent and now - asked >= LISTEN):
                seen, asked = here, now
                await self._ask(shell.value)
            await asyncio.sleep(TICK)

    async def _ask(self, shell: Shell | None) -> None:
        if shell is None:
            return
        with suppress(RemoteError, Dropped):  # it is only a courtesy; the tunnel itself tells too
            found = await listening(shell)
            for held in tuple(self._held.values()) if found is not None else ():
                held.heard(found or frozenset())

    def _publish(self) -> None:
        self.feed.put(tuple(held.now for held in self._held.values()))


def _open_at_home(tunnel: Tunnel) -> bool:
    return tunnel.phase is TunnelPhase.OPEN and tunnel.wish is not None and at_home(tunnel.wish)


def _same(tunnel: Tunnel, wished: Wished) -> bool:
    if tunnel.name != wished.name:
        return False
    return wished.wish is None or tunnel.wish is None or tunnel.wish == wished.wish
