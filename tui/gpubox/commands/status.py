"""`gpubox-tui status`: one sample of each box, or a stream of them, for people or as JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_of, common_options, complain, complete_box, parse_boxes, run_async
from gpubox.core.errors import GpuBoxError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.config.files import Loaded
    from gpubox.core.sample import Sample
    from gpubox.core.target import Target

ONE_SHOT = 0.25
"""Seconds between the two readings that a single sample's rates need, on a box without Python.

The probe of Python takes its second reading sooner, whatever its interval is.
"""


@click.command()
@click.argument("boxes", nargs=-1, required=True, metavar="BOX...", shell_complete=complete_box)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a sample and box; see docs/json.md.")
@click.option(
    "--watch",
    type=click.FloatRange(0.5, 86400),
    metavar="SECONDS",
    help="Read again every SECONDS until Ctrl-C.",
)
@common_options
@click.pass_context
def status(ctx: click.Context, boxes: tuple[str, ...], as_json: bool, watch: float | None) -> int:
    """Print one reading of each BOX, as it comes in.

    Exit status: 0 all were read, 1 some were not (the others are printed), 2 usage error.
    """
    common = common_of(ctx)
    loaded = common.load()
    targets = parse_boxes(boxes, loaded.settings)
    return read(targets, loaded, log=common.log, as_json=as_json, watch=watch)


@dataclass(slots=True)
class _Printer:
    """Prints samples and errors, and remembers whether something failed."""

    width: int
    as_json: bool
    clock: bool
    failed: bool = False

    def show(self, box: Box, event: Sample | GpuBoxError) -> None:
        from gpubox.commands import report

        name, limits = box.name, box.settings.limits
        failed = isinstance(event, GpuBoxError)
        if failed:
            self.failed = True
            complain(event, name)
        if self.as_json:
            click.echo(report.as_json(name, event, limits))
        elif not isinstance(event, GpuBoxError):
            clock = time.strftime("%H:%M:%S  ") if self.clock else ""
            click.echo("\n".join(report.as_lines(name, event, self.width, clock, limits)))


def read(
    targets: Sequence[Target],
    loaded: Loaded,
    *,
    log: Path | None = None,
    as_json: bool = False,
    watch: float | None = None,
) -> int:
    """Print samples of boxes and return the exit status: 0 all sampled, 1 some not."""
    from gpubox.commands.log import begin as begin_log

    for problem in loaded.problems:
        complain(problem)
    begin_log(log)
    stdout: object = sys.stdout
    if isinstance(stdout, TextIOWrapper):  # not so under a test runner
        stdout.reconfigure(errors="replace")  # a dash or a degree sign must not end a run under latin-1
    width = max(len(target.name) for target in targets)
    printer = _Printer(width, as_json, watch is not None)
    run_async(_read_all(targets, loaded, printer, watch))
    return 1 if printer.failed else 0


async def _read_all(
    targets: Sequence[Target], loaded: Loaded, printer: _Printer, watch: float | None
) -> None:
    import asyncio

    from gpubox.boxes.fleet import Fleet
    from gpubox.commands.asker import TerminalAsker
    from gpubox.commands.sampling import Changes, follow, once
    from gpubox.config.resolve import forced
    from gpubox.core.tasks import together

    interval = min(watch or ONE_SHOT, 60.0)
    fleet = Fleet(forced(loaded.settings, {"probe": {"interval": interval}}), TerminalAsker())

    async def read_one(target: Target) -> None:
        box = fleet.open(target)
        if watch is None:
            printer.show(box, await once(fleet, box))
        else:
            await follow(fleet, box, Changes(lambda event: printer.show(box, event), watch))

    first = fleet.open(targets[0])
    await together(asyncio.to_thread(_prepare, first), *(read_one(target) for target in targets))


def _prepare(box: Box) -> None:
    """Import what reads a box and then what prints it, in the order in which they are needed."""
    from importlib import import_module

    box.prepare()
    import_module("gpubox.commands.report")
