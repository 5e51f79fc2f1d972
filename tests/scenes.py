"""What the pictures of desktops and tunnels show: a real desktop, and the services of an invented machine."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace

from gpubox.boxes.box import Box
from gpubox.boxes.desktops import Desktops, DesktopSession
from gpubox.boxes.services import Access, Service, Services
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.boxes.tunnels.tunnels import Tunnels
from gpubox.config.settings import DesktopSettings
from gpubox.core.channels import Direction, Forward, Traffic

DESKTOP = DesktopSettings(
    geometry="1280x720",
    viewer="none",
    session="xsetroot -solid '#28506e'; "
    "xterm -geometry 76x20+40+50 -bg '#101418' -fg '#d0d6dc' -e sh -c 'ls /usr/bin; sleep 900' & "
    "xterm -geometry 60x16+660+330 -bg '#f4f1e8' -fg '#303030' -e sh -c 'ls /etc; sleep 900' & "
    "xclock -geometry 150x150+1080+60 & "
    "exec openbox",
)  # fmt: skip
SERVICES = (
    Service("jupyter-cats", "jupyter", "Jupyter", port=8888, user="ada", title="cats", page=True,
        access=Access.TOKEN),
    Service("tensorboard-runs", "tensorboard", "TensorBoard", port=6006, user="ada", title="runs", page=True),
    Service("mlflow", "mlflow", "MLflow", "0.0.0.0", 5000, user="grace", mine=False, page=True),
    Service("grafana", "grafana", "Grafana", port=3000, user="grafana", mine=False, page=True),
)  # fmt: skip


def has_server() -> bool:
    """Whether this machine can start a desktop for the picture."""
    return all(shutil.which(name) for name in ("Xtigervnc", "openbox", "xterm"))


def tunnels(seconds: int) -> tuple[Tunnel, ...]:
    """The tunnels of the invented machine, some seconds after they were opened."""
    busy = Traffic(sent=21_500 * seconds, received=1_310_000 * seconds, open=3)
    return (
        Tunnel(1, "jupyter-cats", SERVICES[0].forward, TunnelPhase.OPEN, 8888, busy),
        Tunnel(2, "tensorboard-runs", SERVICES[1].forward, TunnelPhase.OPEN, 6006,
            Traffic(sent=9_200, received=412_000)),
        Tunnel(3, "db:5432", Forward(Direction.LOCAL, 5433, "db", 5432), TunnelPhase.OPEN, 5433),
        Tunnel(4, "socks", Forward(Direction.SOCKS, 1080), TunnelPhase.STOPPED, 1080),
    )  # fmt: skip


def furnish(box: Box, user: str) -> None:
    """Put the invented machine's services in the place of this one's, and its user's name on its desktops."""

    async def find() -> tuple[Service, ...]:
        box.use(Services).feed.put(SERVICES)
        return SERVICES

    put, lister = box.use(Desktops).feed.put, box.use(Desktops).list

    async def ours() -> tuple[DesktopSession, ...]:
        """Those of the demo box alone: another of this machine's user would be opened instead."""
        return tuple(one for one in await lister() if one.ours)

    def shown(value: tuple[DesktopSession, ...]) -> None:
        put(tuple(replace(one, user=user, session="openbox", title="") for one in value if one.ours))

    box.use(Services).find = find
    box.use(Desktops).feed.put = shown
    box.use(Desktops).list = ours


async def flow(box: Box, seconds: int) -> None:
    """Let bytes go through the tunnels for some seconds."""
    for second in range(seconds):
        box.use(Tunnels).feed.put(tunnels(second + 1))
        await asyncio.sleep(1)  # traffic is shown per second


async def clear(box: Box) -> None:
    """End the desktop."""
    desktops = box.use(Desktops)
    for session in await desktops.list():
        if session.mine and session.ours:
            await desktops.stop(session)
