"""Opens one service of a box from the command line, and its page in the browser."""

from __future__ import annotations

from dataclasses import replace

import click

from gpubox.boxes import browser as browsers
from gpubox.boxes.box import Box
from gpubox.boxes.services import Service
from gpubox.commands.features import services_of, tunnels_of
from gpubox.commands.retry import retry
from gpubox.core.errors import RemoteError
from gpubox.core.tunnel_spec import TunnelSpec, at_home


async def opening(box: Box, requested: TunnelSpec, at: int, *, browser: bool) -> None:
    """Open a port or service on local port `at`, or any port for 0, and show its page if it has one.

    Raises GpuBoxError when there is no such service, or when it cannot be opened.
    """
    tunnels = tunnels_of(box)
    service = await _service(box, requested)
    name = service.key if service is not None else requested.name
    spec = service.forward if service is not None else requested.spec
    assert spec is not None  # a name that is no service was refused above
    if at or requested.spec is not None:
        tunnel = await tunnels.open(replace(spec, listen_port=at or spec.listen_port), name)
    else:
        tunnel = await tunnels.open(None, name)  # by name: a restarted server may move
    if service is None or not service.page or not browser:
        return
    url = service.url(tunnel.port)
    if not await browsers.show(url, secret=bool(service.token)):
        click.echo(f"no browser here; open {url}")


async def _service(box: Box, requested: TunnelSpec) -> Service | None:
    """Return the named service; None for a port without a known service."""
    services = services_of(box)
    spec = requested.spec
    if spec is None:
        await retry(box, services.find)
        return services.named(requested.name)
    if not at_home(spec):
        return None
    try:
        found = await retry(box, services.find)
    except RemoteError:
        return None  # an explicit port is opened in any case
    return next((one for one in found if one.port == spec.port), None)
