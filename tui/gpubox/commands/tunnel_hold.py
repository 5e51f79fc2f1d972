"""Holds tunnels open outside the panel, and prints what happens to them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence

import click

from gpubox.boxes.box import Box
from gpubox.boxes.fleet import Fleet
from gpubox.boxes.tunnels.tunnel import Tunnel, TunnelPhase
from gpubox.commands.features import services_of, tunnels_of
from gpubox.commands.output import json_line
from gpubox.commands.session import linked, losses
from gpubox.core.channels import Direction
from gpubox.core.tasks import together
from gpubox.core.tunnel_spec import TunnelSpec, target

Job = Coroutine[object, object, None]


async def hold(
    fleet: Fleet,
    box: Box,
    specs: Sequence[TunnelSpec],
    printer: Printer,
    then: Callable[[], Job] | None = None,
) -> None:
    """Open tunnels, run `then` when the box is connected, and print each change until cancelled.

    Raises GpuBoxError when the box cannot be reached at first, when only the user can bring the link back,
    and when every one of the tunnels failed.
    """
    for requested in specs:
        tunnels_of(box).add(requested.spec, requested.name)

    async def work() -> None:
        jobs: list[Job] = [_show(box, printer), losses(box)]
        if then is not None:
            jobs.append(then())
        await together(*jobs)

    await linked(fleet, box, work)


async def _show(box: Box, printer: Printer) -> None:
    async for tunnels in tunnels_of(box).feed.follow():
        printer.show(tunnels)
        failed = [one.reason for one in tunnels if one.phase is TunnelPhase.FAILED]
        if tunnels and len(failed) == len(tunnels) and failed[0] is not None:
            raise failed[0]


class Printer:
    """Prints a tunnel whenever its state changes; counters alone are no change."""

    def __init__(self, box: Box, *, as_json: bool, choose: str = "") -> None:
        """Set the box, how to print, and how the command line chooses a local port."""
        self._box = box
        self._choose = choose
        self._json = as_json
        self._printed: dict[int, str] = {}

    def show(self, tunnels: Sequence[Tunnel]) -> None:
        """Print the tunnels that changed since the last call."""
        for tunnel in tunnels:
            line = self._line(tunnel)
            news = self._printed.get(tunnel.id) != line and tunnel.phase is not TunnelPhase.OPENING
            if news and (tunnel.id in self._printed or tunnel.phase is not TunnelPhase.WAITING):
                self._printed[tunnel.id] = line
                click.echo(self._object(tunnel) if self._json else line)

    def _line(self, tunnel: Tunnel) -> str:
        note = tunnel.note
        if note and self._choose and tunnel.phase is TunnelPhase.OPEN:
            note += f"; {self._choose} chooses another"
        detail = "".join(f" ({part})" for part in (note, tunnel.reason and str(tunnel.reason)) if part)
        if tunnel.phase is not TunnelPhase.OPEN:
            return f"{tunnel.name}: {tunnel.phase.value}{detail}"
        spec = tunnel.spec
        if spec is None:
            return f"{tunnel.name}: {tunnel.address}{detail}"
        box = self._box.name
        if spec.way is Direction.REMOTE:
            return f"{tunnel.name}: port {tunnel.port} of {box} leads to {target(spec)} here{detail}"
        where = f"{target(spec)} of {box}" if spec.way is Direction.LOCAL else f"anywhere, by {box}"
        return f"{tunnel.name}: {self._url(tunnel) or tunnel.address} leads to {where}{detail}"

    def _url(self, tunnel: Tunnel) -> str:
        """Return the URL of the page at a tunnel, without its token; empty where there is none."""
        service = services_of(self._box).behind(tunnel)
        return service.shown_url(tunnel.port) if service and service.page and tunnel.address else ""

    def _object(self, tunnel: Tunnel) -> str:
        return json_line(self._box.name, **to_json(tunnel), url=self._url(tunnel) or None)


def to_json(tunnel: Tunnel) -> dict[str, object]:
    """Return a tunnel as JSON has it."""
    spec, reason = tunnel.spec, tunnel.reason
    return {
        "tunnel": tunnel.name,
        "phase": tunnel.phase.value,
        "way": spec.way.value if spec else None,
        "port": tunnel.port or None,
        "address": tunnel.address or None,
        "host": spec.host if spec and not spec.path and spec.way is not Direction.SOCKS else None,
        "target_port": spec.port if spec and spec.port else None,
        "path": spec.path if spec and spec.path else None,
        "note": tunnel.note or None,
        "reason": reason and {"title": reason.title, "text": reason.text, "hint": reason.hint},
        "sent": tunnel.traffic.sent,
        "received": tunnel.traffic.received,
        "refused": tunnel.traffic.refused,
    }
