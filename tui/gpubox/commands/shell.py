"""`gpubox-tui shell`: a login shell or a command of a box, as ssh gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gpubox.commands.common import begin, common_options, complain, complete_box, has_terminal
from gpubox.core.errors import Cancelled, ConfigError, GpuBoxError, RemoteError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box, Target
    from gpubox.config.settings import Settings
    from gpubox.core.doors import Doors

LINK_FAILED = 255
"""Exit status when the box could not be reached or the link was lost, as ssh has it."""


@click.command(short_help="Open a shell on a box, or run a command there.")
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
@common_options
@click.pass_context
def shell(ctx: click.Context, box: str, command: tuple[str, ...]) -> int:
    """Open a login shell on BOX, or run COMMAND there by its shell.

    With a terminal at both ends the program gets one of its own; Enter ~ . leaves it at once. Without, stdin,
    stdout and stderr are passed on, as `ssh` does without -t.

    Exit status: the program's own; 128 + n when signal n ended it; 255 when the link failed; 2 wrong words.
    """
    settings, target = begin(ctx, box)
    try:
        return _run(target, settings, " ".join(command) or None)
    except (ConfigError, BrokenPipeError):
        raise
    except GpuBoxError as error:
        complain(error, target.name)
        return LINK_FAILED


def _run(target: Target, settings: Settings, command: str | None) -> int:
    import asyncio

    from gpubox.boxes.open import open_box
    from gpubox.commands.asker import TerminalAsker
    from gpubox.commands.linked import linked

    box = open_box(target, settings, TerminalAsker())
    work = _behind_terminal if has_terminal() else _through_pipes
    return asyncio.run(linked(box, lambda: work(box, command)))


def doors_of(box: Box) -> Doors:
    """Return the ways through the link of a box; raises RemoteError when it went this moment."""
    doors = box.doors.value
    if doors is None:
        raise RemoteError("Not connected", f"{box.name} was lost again", "Try again")
    return doors


async def _behind_terminal(box: Box, command: str | None) -> int:
    from gpubox.local.tty import hand_over, wish

    async with doors_of(box).terminal(command, wish()) as terminal:
        visit = await hand_over(terminal)
    if visit.left:
        raise Cancelled("Left", f"{box.name} was left by ~.")
    return visit.status


async def _through_pipes(box: Box, command: str | None) -> int:
    from gpubox.local.stdio import carry

    async with doors_of(box).pipes(command) as pipes:
        return await carry(pipes)
