"""The tunnels of one box: specified once, held open through drops of the link."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.boxes.tunnels.listening_ports import listening
from gpubox.boxes.tunnels.local_ports import Ports
from gpubox.boxes.tunnels.tunnel import Find, NothingListens, Tunnel, TunnelContext, TunnelPhase, TunnelWorker
from gpubox.core.channels import Channels, Forward
from gpubox.core.errors import Cancelled, Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from gpubox.core.tunnel_spec import TunnelSpec, at_home, parse, short

TICK = 1.0
"""Seconds between two updates of the counters."""
PATIENCE = 5.0
"""Seconds that opening a tunnel waits for the link."""
LISTEN = 5.0
"""Seconds between two checks for listeners on the box."""


class Tunnels(Feature):
    """Specs of tunnels, and the state of each."""

    def __init__(self, context: BoxContext) -> None:
        """Make it with the tunnels of the box's settings; raises ConfigError for a bad line."""
        super().__init__(context)
        self.feed: Feed[tuple[Tunnel, ...]] = Feed(())
        """All tunnels in the order of their specs, with counters that are at most TICK seconds old."""
        self._box = context.name
        self._ports = Ports(context.name, context.store)
        self._around = TunnelContext(context.name, self._ports, None, self._publish)
        self._held: dict[int, TunnelWorker] = {}
        self._number = 0
        self._channels: Channels | None = None
        self._group: asyncio.TaskGroup | None = None
        self.spec(context.tunnels)

    async def background(self, purpose: Purpose) -> None:
        """Hold the tunnels open; see Feature."""
        await self.keep(self._context.channels, self._context.shell)

    def find_by(self, find: Find) -> None:
        """Resolve tunnels that go by a service's name."""
        self._around.find = find

    def spec(self, lines: Iterable[str]) -> None:
        """Add the tunnels of lines of the settings; raises ConfigError."""
        for line in lines:
            requested = parse(line)
            self.add(requested.spec, requested.name)

    def add(self, spec: Forward | None, name: str = "") -> Tunnel:
        """Add a tunnel and return it; a name with the same destination is added only once.

        Without a spec the name is a service's, which is resolved when the box is connected. The tunnel opens
        then, or at once.
        """
        requested = TunnelSpec(name or (short(spec) if spec is not None else ""), spec)
        for held in self._held.values():
            if _same(held.now, requested):
                if held.now.phase in (TunnelPhase.STOPPED, TunnelPhase.FAILED):
                    held.begin(self._channels, self._group)
                return held.now
        self._number += 1
        held = TunnelWorker(self._around, Tunnel(self._number, requested.name, spec))
        self._held[self._number] = held
        held.begin(self._channels, self._group)
        return held.now

    async def open(self, spec: Forward | None, name: str = "") -> Tunnel:
        """Add a tunnel and wait until it is open.

        Raises the reason when it cannot be opened, Cancelled when it is stopped meanwhile, and Dropped when
        the box is not connected within PATIENCE seconds; the spec stays then.
        """
        held = self._held[self.add(spec, name).id]
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
        raise Dropped.not_connected(self._box, "The tunnel opens when it is")

    async def stop(self, tunnel: int) -> None:
        """Close a tunnel and its connections; it stays in the list. An unknown number does nothing."""
        held = self._held.get(tunnel)
        if held is not None:
            await held.end()
            held.put(TunnelPhase.STOPPED)

    async def restart(self, tunnel: int) -> None:
        """Close a tunnel and reopen it, on its own port if that is free again; a stopped one is opened."""
        held = self._held.get(tunnel)
        if held is not None:
            await held.end()
            held.forget_port()
            held.begin(self._channels, self._group)

    async def forget(self, tunnel: int) -> None:
        """Close a tunnel and remove it from the list."""
        held = self._held.get(tunnel)
        if held is not None:
            await self.stop(tunnel)
            self._held.pop(tunnel, None)
            self._publish()

    async def keep(self, channels: Feed[Channels | None], shell: Feed[Shell | None] | None = None) -> None:
        """Hold all tunnels open while there are channels, until cancelled.

        With a shell, checks whether anything listens at their far ends.
        """
        await self._ports.load()
        while True:
            now = channels.value
            async with asyncio.TaskGroup() as group:
                holding = group.create_task(self._over(now, shell)) if now is not None else None
                async for newest in channels.follow():
                    if newest is not now:
                        break
                if holding is not None:
                    holding.cancel()

    async def _over(self, channels: Channels, shell: Feed[Shell | None] | None) -> None:
        """Hold the tunnels over one link."""
        try:
            async with asyncio.TaskGroup() as group:
                self._channels, self._group = channels, group
                for held in self._held.values():
                    if held.now.phase is not TunnelPhase.STOPPED:
                        held.begin(channels, group)
                group.create_task(self._count())
                if shell is not None:
                    group.create_task(self._listen(shell))
        finally:
            self._channels = self._group = None
            for held in self._held.values():
                held.rest()

    async def _count(self) -> None:
        """Update counters and refusals, until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            changed = [held.look() for held in self._held.values()]
            if any(changed):
                self._publish()

    async def _listen(self, shell: Feed[Shell | None]) -> None:
        """Check for listeners at the far ends: once for each, and again while there is none."""
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
        with suppress(RemoteError, Dropped):  # only a courtesy; the tunnel itself reports it too
            found = await listening(shell)
            for held in tuple(self._held.values()) if found is not None else ():
                held.update_listening(found or frozenset())

    def _publish(self) -> None:
        self.feed.put(tuple(held.now for held in self._held.values()))


def _open_at_home(tunnel: Tunnel) -> bool:
    return tunnel.phase is TunnelPhase.OPEN and tunnel.spec is not None and at_home(tunnel.spec)


def _same(tunnel: Tunnel, requested: TunnelSpec) -> bool:
    if tunnel.name != requested.name:
        return False
    return requested.spec is None or tunnel.spec is None or tunnel.spec == requested.spec
