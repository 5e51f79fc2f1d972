"""`gpubox-tui record`: writes every reading of a box to a file, for `gpubox-tui replay`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import begin, common_options, complain, complete_box, run_async
from gpubox.common import units
from gpubox.core.errors import GpuBoxError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.fleet import Fleet
    from gpubox.config.settings import Settings
    from gpubox.core.target import Target
    from gpubox.store.recording.writer import Writer


@click.command()
@click.argument("box", shell_complete=complete_box)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--for", "limit", metavar="TIME", default="", help="End after 90, 10m, 2h30m or 1d.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@common_options
@click.pass_context
def record(ctx: click.Context, box: str, file: Path, limit: str, force: bool) -> int:
    """Record every reading of BOX to FILE until Ctrl-C; an hour of eight busy GPUs takes 2 to 3 MB.

    FILE holds what the panel shows, with everybody's command lines: only you can read it.
    Show it with: gpubox-tui replay FILE
    """
    from gpubox.boxes.jobs.spec_parsing import duration
    from gpubox.store.recording.writer import Writer

    seconds = duration(limit) if limit else None
    settings, target = begin(ctx, box)
    with Writer(file, target.name, replace=force) as writer:
        until = "until Ctrl-C" if seconds is None else f"for {units.duration(seconds)}"
        click.echo(f"Recording {target.name} to {click.format_filename(file)} {until}")
        try:
            run_async(_record(target, settings, writer, seconds))
        except KeyboardInterrupt:
            if not writer.readings:
                raise
        finally:
            writer.close()
            if writer.readings:
                click.echo(_summary(writer))
    return 0


def _summary(writer: Writer) -> str:
    readings = "1 reading" if writer.readings == 1 else f"{writer.readings} readings"
    file = click.format_filename(writer.path)
    return f"Recorded {readings} in {units.size(writer.size)}. Show them with: gpubox-tui replay {file}"


class _Over(Exception):
    """Ends the recording after its time."""


async def _record(target: Target, settings: Settings, writer: Writer, seconds: float | None) -> None:
    from gpubox.boxes.fleet import Fleet
    from gpubox.commands.asker import TerminalAsker

    fleet = Fleet(settings, TerminalAsker())
    await follow(fleet, fleet.open(target), writer, seconds)


async def follow(fleet: Fleet, box: Box, writer: Writer, seconds: float | None) -> None:
    """Record a box for so many seconds, or until cancelled; drops of its link are recorded and reported.

    Raises GpuBoxError when it cannot be reached before the first reading, when only the user can help, and
    when the disk refuses the recording.
    """
    from gpubox.boxes.context import Purpose
    from gpubox.core.tasks import together

    try:
        await together(
            fleet.keep(box, Purpose.WATCH),
            _samples(box, writer),
            _link(box, writer),
            _trouble(box, writer),
            _end(seconds, box),
        )
    except _Over:
        return


async def _samples(box: Box, writer: Writer) -> None:
    async for sample in box.sample.follow():
        if sample is not None:
            await asyncio.to_thread(writer.sample, time.time(), sample)


async def _link(box: Box, writer: Writer) -> None:
    """Record the states of the link, and report why it is down."""
    from gpubox.core.link_state import Phase

    said = ""
    async for health in box.link.health.follow():
        await asyncio.to_thread(writer.link, time.time(), health)
        if health.reason is not None and health.phase in (Phase.WAITING, Phase.REFUSED):
            if health.phase is Phase.REFUSED or not writer.readings:
                raise health.reason
            if str(health.reason) != said:
                said = str(health.reason)
                complain(health.reason, box.name)
        elif health.phase is Phase.LIVE:
            said = ""


async def _trouble(box: Box, writer: Writer) -> None:
    async for error in box.trouble.follow():
        await asyncio.to_thread(writer.trouble, time.time(), error)
        if isinstance(error, GpuBoxError):
            complain(error, box.name)


async def _end(seconds: float | None, box: Box) -> None:
    """End the recording so many seconds after its first reading."""
    if seconds is None:
        return
    async for sample in box.sample.follow():
        if sample is not None:
            await asyncio.sleep(seconds)
            raise _Over
