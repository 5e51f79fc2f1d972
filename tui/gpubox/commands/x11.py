"""`gpubox-tui x11`: a graphical program of a box on this machine's display."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gpubox.commands.common import begin, common_options, complete_box
from gpubox.commands.features import windows_of
from gpubox.commands.output import pass_on
from gpubox.commands.shell import LINK_FAILED

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.fleet import Fleet


@click.command()
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@click.argument("program", nargs=-1, required=True, metavar="-- PROGRAM...", type=click.UNPROCESSED)
@common_options
@click.pass_context
def x11(ctx: click.Context, box: str, program: tuple[str, ...]) -> int:
    """Run PROGRAM on BOX with its windows on the display of this machine, until it ends or Ctrl-C.

    Exit status: the program's own; 128 + n when signal n ended it; 255 when it could not be run.
    """
    from gpubox.boxes.x11.programs import display
    from gpubox.commands.session import linked, with_opened

    async def work(fleet: Fleet, opened: Box) -> int:
        display()  # before a useless login
        return await linked(fleet, opened, lambda: _run(opened, " ".join(program)))

    settings, target = begin(ctx, box)
    return with_opened(target, settings, work, failed=LINK_FAILED)


async def _run(box: Box, command: str) -> int:
    """Run a program, print its output, and return its exit status."""
    from gpubox.core.channels import exit_status

    async with windows_of(box).started(command) as channel:
        while line := await channel.read_line(65536):
            pass_on(line)
        result = await channel.wait()
        pass_on(await channel.read_stderr(), err=True)
        return exit_status(result)
