"""`gpubox-tui monitor`: the service that monitors a box while nobody is connected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_options, complete_box
from gpubox.commands.features import monitor_of
from gpubox.commands.of_box import OfBox
from gpubox.commands.output import as_json
from gpubox.commands.retry import retry

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.monitor import Monitor, MonitorStatus, wording

yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group(cls=OfBox, default="status")
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@common_options
def monitor(box: str) -> None:
    """Monitor BOX day and night, also while nobody is connected: a service of your own there, without root.

    Without a COMMAND it prints how the service is.
    """


@monitor.on_box(short_help="Print how the service is.")
@as_json
async def status(box: Box, as_json: bool) -> int:
    """Print whether the service runs, since when, what it costs, and how its outlets are.

    Exit status: 0 it runs and hands out samples, 1 it does not or the box failed, 2 usage error.
    """
    from gpubox.commands import monitor_report

    found = await retry(box, monitor_of(box).look)
    monitor_report.show(box, found, as_json=as_json)
    return 0 if monitor_report.is_well(found) else 1


@monitor.on_box(short_help="Install it, or change what it does.")
@click.option("--interval", type=click.FloatRange(1, 60), metavar="S", help="Seconds between samples (10).")
@click.option("--prometheus", metavar="[ADDRESS:]PORT", help="Serve /metrics there; `off` ends that.")
@click.option("--zabbix", metavar="HOST[:PORT]", help="Send to a Zabbix server; `off` ends that.")
@click.option(
    "--messages", metavar="FILE", help="Send messages about alerts by the channels in FILE; `off` ends that."
)
@click.option("--psk-identity", metavar="NAME", help="Encrypt for Zabbix by the pre-shared key NAME.")
@click.option(
    "--psk-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Where that key is, `-` for stdin; else it is asked for.",
)
@yes
@as_json
async def install(
    box: Box,
    interval: float | None,
    prometheus: str | None,
    zabbix: str | None,
    messages: str | None,
    psk_identity: str | None,
    psk_file: Path | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Install the service in your home on the box and start it; systemd or cron starts it at boot.

    On a box that has it, this changes what is named and leaves the rest.

    FILE is TOML, `-` for stdin, with a [[channel]] for each way to send messages: a `kind` (webhook, ntfy,
    mail or command) and its `url`, `to` or `command`; see docs/messages.md.
    """
    from gpubox.boxes.monitor import MonitorRequest
    from gpubox.commands import monitor_report

    outlets = await monitor_report.outlets(box, prometheus, zabbix, messages, psk_identity, psk_file)
    request = MonitorRequest(interval, outlets)
    return await _change(box, lambda one: one.install(request), "install", yes=yes, as_json=as_json)


@monitor.on_box(short_help="Replace it by this version.")
@as_json
async def update(box: Box, as_json: bool) -> int:
    """Replace the service by the version that this program brings; its configuration stays."""
    return await _change(box, lambda one: one.update(), None, yes=True, as_json=as_json)


@monitor.on_box(short_help="Start it.")
@as_json
async def start(box: Box, as_json: bool) -> int:
    """Start the service after a stop."""
    return await _change(box, lambda one: one.start(), None, yes=True, as_json=as_json)


@monitor.on_box(short_help="Stop it until the next boot.")
@yes
@as_json
async def stop(box: Box, yes: bool, as_json: bool) -> int:
    """Stop the service until `start`, or until the box boots."""
    return await _change(box, lambda one: one.stop(), "stop", yes=yes, as_json=as_json)


@monitor.on_box(short_help="Send a test message.")
async def test(box: Box) -> int:
    """Send a test message by each channel of the service; its status says whether it went."""
    from gpubox.commands import monitor_report

    found = await retry(box, monitor_of(box).test)
    click.echo(monitor_report.channels(found))
    return 0


@monitor.on_box(short_help="Remove it.")
@yes
@as_json
async def remove(box: Box, yes: bool, as_json: bool) -> int:
    """Stop the service, and remove it with everything that was made for it on the box."""
    return await _change(box, lambda one: one.remove(), "remove", yes=yes, as_json=as_json)


async def _change(
    box: Box,
    change: Callable[[Monitor], Awaitable[MonitorStatus]],
    question: wording.Verb | None,
    *,
    yes: bool,
    as_json: bool,
) -> int:
    """Ask, unless `yes`, change the service, and print how it is then."""
    from gpubox.commands import monitor_report

    if not yes and question is not None:
        await monitor_report.agreed(box, question)
    found = await retry(box, lambda: change(monitor_of(box)))
    monitor_report.show(box, found, as_json=as_json)
    return 0
