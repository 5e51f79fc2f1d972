"""Tunnels over doors that do what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Channels, Direction, Forward, Listening, Traffic
from gpubox.core.errors import GpuBoxError, PortTaken
from gpubox.core.feed import Feed
from gpubox.core.shell import Shell
from tests.boxes.scripted import until

JUPYTER = Forward(Direction.LOCAL, port=8888)


@dataclass
class Open:
    """A forward that is open."""

    spec: Forward
    port: int
    traffic: Traffic = field(default_factory=Traffic)


class ScriptedChannels:
    """Channels without any link; ports in `errors` raise, as often as that is said."""

    def __init__(self, errors: Mapping[int, GpuBoxError] | None = None) -> None:
        self.errors = dict(errors or {})
        self.open: list[Open] = []
        self.asked: list[int] = []

    def forward(self, spec: Forward) -> AbstractAsyncContextManager[Listening]:
        return self._forward(spec)

    @asynccontextmanager
    async def _forward(self, spec: Forward) -> AsyncGenerator[Listening]:
        self.asked.append(spec.listen_port)
        if spec.listen_port in self.errors:
            raise self.errors[spec.listen_port]
        made = Open(spec, spec.listen_port or 50_000)
        self.open.append(made)
        try:
            yield made
        finally:
            self.open.remove(made)


class Saved:
    """Tunnels that are kept over channels that come and go."""

    def __init__(self, tunnels: Tunnels) -> None:
        self.tunnels = tunnels
        self.channels: Feed[Channels | None] = Feed(None)
        self.shell: Feed[Shell | None] = Feed(None)

    def link(self, channels: ScriptedChannels | None) -> None:
        """Let the link come up, or go."""
        self.channels.put(cast("Channels | None", channels))  # tunnels only forward

    def __getitem__(self, name: str) -> Tunnel:
        """The newest state of a tunnel."""
        (found,) = [one for one in self.tunnels.feed.value if one.name == name]
        return found

    async def phase(self, name: str, phase: TunnelPhase) -> Tunnel:
        """Wait for a state of a tunnel."""
        await until(lambda: self[name].phase is phase)
        return self[name]


@asynccontextmanager
async def saved(tunnels: Tunnels, channels: ScriptedChannels | None) -> AsyncGenerator[Saved]:
    """Keep tunnels for the length of a block."""
    made = Saved(tunnels)
    made.link(channels)
    task = asyncio.create_task(tunnels.keep(made.channels, made.shell))
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled(), task.exception()


def taken(port: int) -> PortTaken:
    return PortTaken(f"Port {port} taken")
