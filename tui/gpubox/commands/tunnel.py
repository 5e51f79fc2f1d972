"""`gpubox-tui tunnel`: ports and sockets of a box on this machine, from the command line."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import begin, common_of, common_options, complete_box
from gpubox.commands.features import services_of
from gpubox.commands.of_box import OfBox, name_of_box
from gpubox.commands.output import print_json
from gpubox.commands.retry import retry
from gpubox.core.errors import ConfigError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.fleet import Fleet
    from gpubox.config.settings import Settings
    from gpubox.core.tunnel_spec import TunnelSpec

_FORWARD = """Open forwards and hold them until Ctrl-C; without any, those of the box's settings.

\b
SPEC is  8888               port 8888 of the box, here on the same port if that is free
         8080:8888          port 8888 of the box, here on 8080
         5433:db:5432       port 5432 of db as the box reaches it, here on 5433
         /run/app.sock      a unix socket of the box, here on a port
         remote:9000:3000   port 9000 on the box leads to port 3000 here
         socks:1080         a SOCKS port here; the box connects to where programs ask
and may have a name before it: web=8080:8888.
"""

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a change; see docs/json.md.")


@click.group(cls=OfBox)
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@common_options
def tunnel(box: str) -> None:
    """Open ports, sockets and services of BOX on this machine, and the other way round.

    Without a COMMAND it lists what can be opened.

    Tunnels listen on 127.0.0.1 only. They stay until Ctrl-C, and reopen on the same port after a drop of the
    link. If a local port is taken, the tunnel takes the next free one and reports it.
    """


@tunnel.command("list", short_help="Print what listens on the box.")
@click.option("--all", "everything", is_flag=True, help="The box's own works too.")
@as_json
@common_options
@click.pass_context
def list_(ctx: click.Context, everything: bool, as_json: bool) -> int:
    """Print the services of the box that can be opened, by the names that `open` takes."""
    from gpubox.commands import services
    from gpubox.commands.session import linked

    async def work(fleet: Fleet, box: Box) -> None:
        async def show() -> None:
            found = await retry(box, services_of(box).find)
            if as_json:
                shown = [one for one in found if everything or not one.system]
                print_json(box.name, services=[services.to_json(one) for one in shown])
            else:
                click.echo("\n".join(services.rows(found, everything=everything)))

        await linked(fleet, box, show, report_drops=True)

    return _with_box(ctx, work)


@tunnel.command("open", short_help="Open one port or service.")
@click.argument("what", metavar="PORT|NAME")
@click.option("--at", type=click.IntRange(1, 65535), metavar="PORT", help="Port of this machine.")
@click.option("--browser/--no-browser", default=True, help="Whether its page is shown in the browser.")
@as_json
@common_options
@click.pass_context
def open_(ctx: click.Context, what: str, at: int | None, browser: bool, as_json: bool) -> int:
    """Open a port of the box, or a service by its name, and hold it until Ctrl-C.

    A page is shown in the browser, with the token that it needs.
    """
    from gpubox.commands.service_open import opening
    from gpubox.commands.tunnel_hold import Printer, hold
    from gpubox.core.tunnel_spec import parse

    requested = parse(what)

    async def work(fleet: Fleet, box: Box) -> None:
        printer = Printer(box, as_json=as_json, choose="--at PORT")
        await hold(
            fleet, box, (), printer, lambda: opening(box, requested, at or 0, browser=browser and not as_json)
        )

    return _with_box(ctx, work)


@tunnel.command(help=_FORWARD, short_help="Open forwards as ssh has them.")
@click.argument("spec", nargs=-1, metavar="[SPEC]...")
@click.option("-L", "local", multiple=True, metavar="[PORT:]HOST:PORT", help="As ssh -L.")
@click.option("-R", "remote", multiple=True, metavar="PORT:HOST:PORT", help="As ssh -R.")
@click.option("-D", "socks", multiple=True, metavar="PORT", help="As ssh -D.")
@as_json
@common_options
@click.pass_context
def forward(
    ctx: click.Context,
    spec: tuple[str, ...],
    local: tuple[str, ...],
    remote: tuple[str, ...],
    socks: tuple[str, ...],
    as_json: bool,
) -> int:
    """Open forwards and hold them until Ctrl-C; without any, those of the box's settings."""
    from gpubox.core.tunnel_spec import parse

    texts = [
        *spec,
        *(f"local:{text}" for text in local),
        *(f"remote:{text}" for text in remote),
        *(f"socks:{text}" for text in socks),
    ]
    return _hold(ctx, [parse(text) for text in texts], as_json)


def _hold(ctx: click.Context, specs: Sequence[TunnelSpec], as_json: bool) -> int:
    """Connect to the box of this command and hold tunnels until interrupted."""
    from gpubox.commands.tunnel_hold import Printer, hold

    requested = specs or _of_settings(name_of_box(ctx), common_of(ctx).load().settings)

    async def work(fleet: Fleet, box: Box) -> None:
        await hold(fleet, box, requested, Printer(box, as_json=as_json))

    return _with_box(ctx, work)


def _with_box(ctx: click.Context, work: Callable[[Fleet, Box], Coroutine[object, object, None]]) -> int:
    """Run work on the box of this command, and return the exit status."""
    from gpubox.commands.session import with_opened

    settings, target = begin(ctx, name_of_box(ctx))

    async def done(fleet: Fleet, box: Box) -> int:
        await work(fleet, box)
        return 0

    return with_opened(target, _bare(settings), done, failed=1)


def _of_settings(box: str, settings: Settings) -> list[TunnelSpec]:
    from gpubox.core.tunnel_spec import parse

    for entry in settings.box:
        if entry.name == box and entry.tunnels:
            return [parse(text) for text in entry.tunnels]
    raise ConfigError(
        "Nothing to open", f"[[box]] {box} has no `tunnels` in the settings", "Write at least one SPEC"
    )


def _bare(settings: Settings) -> Settings:
    """Return settings without automatic tunnels: only the requested ones open here."""
    import msgspec

    boxes = tuple(msgspec.structs.replace(entry, tunnels=()) for entry in settings.box)
    return msgspec.structs.replace(settings, box=boxes)
