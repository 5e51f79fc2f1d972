"""Desktops, services and tunnels of a box that is not there: they do what a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import cast

from gpubox.boxes.box import Box
from gpubox.boxes.context import Feature
from gpubox.boxes.desktops import Desktops, DesktopSession, DesktopSpec
from gpubox.boxes.desktops.vnc_viewers import Viewer
from gpubox.boxes.services import Service, Services
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.core.channels import Channels, Direction, Forward
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.rfb.image import Picture
from tests.parts import NOW

MINE = DesktopSession(
    "TigerVNC", 4711, 99, "ada", True, display=":1", started=NOW - 7500, geometry="1600x900", depth=24,
    session="xfce4", path="/home/ada/.local/state/gpubox/desktops/xub/1/rfb", folder="/home/ada/.local/1",
)  # fmt: skip
THEIRS = DesktopSession(
    "TurboVNC", 812, 7, "grace", False, display=":7", started=NOW - 86400, geometry="1920x1200",
    title="grace's desk", port=5907, security="password",
)  # fmt: skip
SCREEN = DesktopSession("x11vnc", 901, 8, "ada", True, display=":0", port=5900, physical=True)
JUPYTER = Service(
    "jupyter-cats", "jupyter", "Jupyter", port=8888, pid=31, user="ada", title="cats", folder="/cats",
    page=True, base="/lab", token="s3cret",
)  # fmt: skip
MLFLOW = Service(
    "mlflow", "mlflow", "MLflow", bind="0.0.0.0", port=5000, pid=32, user="grace", mine=False, page=True
)
REDIS = Service("redis-6379", "", "redis-server", port=6379, user="redis", mine=False)
SSHD = Service("sshd-22", "", "sshd", bind="0.0.0.0", port=22, user="root", mine=False, system=True)


def drawn(width: int = 160, height: int = 90) -> Picture:
    """A picture with a bright window on a dark ground and a bar above it."""
    rows: list[bytes] = []
    for y in range(height):
        row = bytearray(b"\x18\x28\x40" * width)
        if y < height // 10:
            row[:] = b"\xd0\xd4\xda" * width
        elif height // 4 < y < 3 * height // 4:
            row[3 * (width // 4) : 3 * (3 * width // 4)] = b"\xf0\x90\x20" * (3 * width // 4 - width // 4)
        rows.append(bytes(row))
    return Picture(width, height, b"".join(rows))


class FakeViewing:
    """A viewer that is open until the test closes it."""

    def __init__(self, session: DesktopSession, viewer: Viewer | None) -> None:
        self.session = session
        self.viewer = viewer
        self.password = "" if session.path else "Ab3dEf7h"
        self.address = "127.0.0.1::40123"
        self.page = ""
        self.ended = asyncio.Event()
        self.closed = False

    async def __aenter__(self) -> FakeViewing:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True

    async def wait(self) -> None:
        await self.ended.wait()


class FakeDesktops(Feature):
    """Stands in for Desktops."""

    def __init__(self, *running: DesktopSession, viewer: Viewer | None = None) -> None:
        self.feed: Feed[tuple[DesktopSession, ...]] = Feed(())
        self.ends_at_logout = False
        self.running = list(running)
        self.viewer = viewer
        self.page = ""
        """Where noVNC shows a desktop that is opened."""
        self.error: GpuBoxError | None = None
        self.ends: GpuBoxError | None = None
        """What `settled` and `check` find."""
        self.picture: Feed[Picture] = Feed(drawn())
        self.blind: GpuBoxError | None = None
        self.lists = 0
        self.looking = 0
        """How many watch now."""
        self.done: list[str] = []
        self.specs: list[DesktopSpec | None] = []
        self.viewings: list[FakeViewing] = []

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    async def list(self) -> tuple[DesktopSession, ...]:
        self.lists += 1
        self._fail()
        self.feed.put(tuple(self.running))
        return self.feed.value

    async def start(self, spec: DesktopSpec | None = None) -> DesktopSession:
        self._fail()
        self.specs.append(spec)
        session = replace(MINE, pid=5000 + len(self.specs), display=f":{len(self.running) + 1}")
        self.running.append(session)
        await self.list()
        return session

    async def settled(self, session: DesktopSession) -> None:
        await self.check(session)

    async def check(self, session: DesktopSession) -> None:
        if self.ends is not None:
            raise self.ends

    async def stop(self, session: DesktopSession) -> str:
        self._fail()
        if not session.mine:
            raise RemoteError("Not stopped", f"{session.name} belongs to {session.user}")
        self.running.remove(session)
        self.done.append(f"stop {session.display}")
        await self.list()
        return f"{session.name} ended"

    async def restart(self, session: DesktopSession) -> DesktopSession:
        self.done.append(f"restart {session.display}")
        return session

    async def open(self, session: DesktopSession, *, viewer: str = "") -> FakeViewing:
        self._fail()
        viewing = FakeViewing(session, None if viewer == "none" else self.viewer)
        viewing.page = self.page if viewer != "none" else ""
        self.viewings.append(viewing)
        return viewing

    async def watch(self, session: DesktopSession, seconds: float) -> AsyncGenerator[Picture]:
        self.looking += 1
        try:
            if self.blind is not None:
                raise self.blind
            async for picture in self.picture.follow():
                yield picture
        finally:
            self.looking -= 1


class FakeServices(Feature):
    """Stands in for Services."""

    def __init__(self, tunnels: FakeTunnels, *found: Service) -> None:
        self.feed: Feed[tuple[Service, ...]] = Feed(())
        self.found = found
        self.error: GpuBoxError | None = None
        self.looks = 0
        self._tunnels = tunnels

    async def find(self) -> tuple[Service, ...]:
        self.looks += 1
        if self.error is not None:
            raise self.error
        self.feed.put(tuple(self.found))
        return self.feed.value

    async def open(self, service: Service) -> Tunnel:
        return await self._tunnels.open(service.forward, service.key)

    def behind(self, tunnel: Tunnel) -> Service | None:
        return next((one for one in self.feed.value if one.forward == tunnel.spec), None)


class FakeTunnels(Feature):
    """Stands in for Tunnels: what is asked for is open at once."""

    def __init__(self, *held: Tunnel) -> None:
        self.feed: Feed[tuple[Tunnel, ...]] = Feed(tuple(held))
        self.error: GpuBoxError | None = None
        self.done: list[str] = []

    def find_by(self, find: object) -> None:
        """Names are open as they are."""

    def add(self, spec: Forward | None, name: str = "") -> Tunnel:
        for held in self.feed.value:
            if (held.name, held.spec) == (name, spec):
                return held
        port = 9000 + len(self.feed.value)
        made = Tunnel(len(self.feed.value) + 1, name, spec, TunnelPhase.OPEN, port)
        self.feed.put((*self.feed.value, made))
        return made

    async def open(self, spec: Forward | None, name: str = "") -> Tunnel:
        if self.error is not None:
            raise self.error
        return self.add(spec, name)

    async def keep(self, *_: object) -> None:
        await asyncio.Event().wait()

    async def stop(self, tunnel: int) -> None:
        self.done.append(f"stop {tunnel}")
        self.put(tunnel, phase=TunnelPhase.STOPPED)

    async def restart(self, tunnel: int) -> None:
        self.done.append(f"restart {tunnel}")
        self.put(tunnel, phase=TunnelPhase.OPEN)

    async def forget(self, tunnel: int) -> None:
        self.done.append(f"forget {tunnel}")
        self.feed.put(tuple(one for one in self.feed.value if one.id != tunnel))

    def put(self, tunnel: int, **changes: object) -> None:
        """Change what a tunnel says of itself."""
        self.feed.put(
            tuple(
                replace(one, **changes) if one.id == tunnel else one  # pyright: ignore[reportArgumentType]
                for one in self.feed.value
            )
        )


LOCAL = Forward(Direction.LOCAL, port=8888)


def furnish(box: Box, desktops: FakeDesktops | None = None, tunnels: FakeTunnels | None = None) -> Box:
    """Give a box desktops and tunnels that a test commands."""
    if desktops is not None:
        box.context.provide(Desktops, cast("Desktops", desktops))
        box.channels.put(cast("Channels", object()))
    if tunnels is not None:
        box.context.provide(Tunnels, cast("Tunnels", tunnels))
    return box


def serve(box: Box, services: FakeServices) -> Box:
    """Give a box services that a test commands."""
    box.context.provide(Services, cast("Services", services))
    return box
