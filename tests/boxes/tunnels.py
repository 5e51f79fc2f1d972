"""Tunnels over doors that do what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from gpubox.boxes.tunnel import Tunnel, TunnelPhase
from gpubox.boxes.tunnels import Tunnels
from gpubox.core.doors import Doors, Forward, Listening, Traffic, Way
from gpubox.core.errors import GpuBoxError, PortTaken
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from tests.boxes.scripted import until

JUPYTER = Forward(Way.LOCAL, port=8888)


@dataclass
class Open:
    """A forward that is open."""

    wish: Forward
    port: int
    traffic: Traffic = field(default_factory=Traffic)


class ScriptedDoors:
    """Doors without any link; ports in `errors` raise, as often as that is said."""

    def __init__(self, errors: Mapping[int, GpuBoxError] | None = None) -> None:
        self.errors = dict(errors or {})
        self.open: list[Open] = []
        self.asked: list[int] = []

    def forward(self, wish: Forward) -> AbstractAsyncContextManager[Listening]:
        return self._forward(wish)

    @asynccontextmanager
    async def _forward(self, wish: Forward) -> AsyncGenerator[Listening]:
        self.asked.append(wish.listen_port)
        if wish.listen_port in self.errors:
            raise self.errors[wish.listen_port]
        made = Open(wish, wish.listen_port or 50_000)
        self.open.append(made)
        try:
            yield made
        finally:
            self.open.remove(made)


class Kept:
    """Tunnels that are kept over doors that come and go."""

    def __init__(self, tunnels: Tunnels) -> None:
        self.tunnels = tunnels
        self.doors: Feed[Doors | None] = Feed(None)
        self.shell: Feed[Shell | None] = Feed(None)

    def link(self, doors: ScriptedDoors | None) -> None:
        """Let the link come up, or go."""
        self.doors.put(cast("Doors | None", doors))  # tunnels only forward

    def __getitem__(self, name: str) -> Tunnel:
        """The newest state of a tunnel."""
        (found,) = [one for one in self.tunnels.feed.value if one.name == name]
        return found

    async def phase(self, name: str, phase: TunnelPhase) -> Tunnel:
        """Wait for a state of a tunnel."""
        await until(lambda: self[name].phase is phase)
        return self[name]


@asynccontextmanager
async def kept(tunnels: Tunnels, doors: ScriptedDoors | None) -> AsyncGenerator[Kept]:
    """Keep tunnels for the length of a block."""
    made = Kept(tunnels)
    made.link(doors)
    task = asyncio.create_task(tunnels.keep(made.doors, made.shell))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled(), task.exception()


def taken(port: int) -> PortTaken:
    return PortTaken(f"Port {port} taken")
