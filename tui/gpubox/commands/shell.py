"""`gpubox-tui shell`: a login shell or a command on a box, as ssh gives it."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import begin, common_options, complete_box, has_terminal, no_login
from gpubox.commands.features import envs_of, login_of
from gpubox.core.errors import Cancelled, Dropped, RemoteError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.config.settings import Settings
    from gpubox.core.channels import Channels
    from gpubox.core.target import Target

NOT_FOUND = 127
"""Exit status of a shell for a missing program."""
LINK_FAILED = 255
"""Exit status when the box could not be reached or the link was lost, as ssh has it."""


@click.command()
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
@click.option("--env/--no-env", default=True, help="Whether the environment chosen for the box is active.")
@no_login
@common_options
@click.pass_context
def shell(ctx: click.Context, box: str, command: tuple[str, ...], env: bool, login: bool) -> int:
    """Open a login shell on BOX, or run COMMAND there by its shell.

    A single word is a line for the shell: -- 'cd data; ls'. Several words are a program and its arguments,
    passed unchanged, as with `run`.

    When stdin and stdout are a terminal, the program gets one on the box; Enter ~ . leaves it at once.
    Otherwise stdin, stdout and stderr are passed on, like `ssh` without -t. The environment chosen with
    `gpubox-tui env BOX use` is activated after the start files of the login shell.

    COMMAND gets the environment of a login shell on BOX, above all its PATH; with --no-login it gets the
    bare one of an ssh command.

    Exit status: the program's own; 128 + n when signal n ended it; 255 when the link failed; 2 usage error.
    """
    settings, target = begin(ctx, box)
    return _run(target, settings, command, env=env, login=login)


def _line(words: tuple[str, ...]) -> str | None:
    """Return a command line that any login shell understands; None for the shell itself."""
    if len(words) < 2:
        return words[0] if words else None
    line = shlex.join(words)
    if all(re.fullmatch(r"[\w./:=,@%+-]+", word, re.ASCII) for word in words):
        return line
    # Shells differ in their quoting; octal digits are the same in all of them.
    octal = "".join(f"\\0{byte:03o}" for byte in os.fsencode(line))
    return f'exec sh -c \'eval "$(printf %b "{octal}")"\''


def _run(target: Target, settings: Settings, words: tuple[str, ...], *, env: bool, login: bool) -> int:
    from gpubox.commands.session import linked, with_opened

    terminal = has_terminal()
    work = _behind_terminal if terminal else _through_pipes

    async def visit(box: Box) -> int:
        command = _line(words)
        line = await _in_env(box, command, terminal=terminal) if env else command
        known = line if command is None or not login else await _in_login(box, line)
        status = await work(box, known)
        if status == NOT_FOUND and known == line and command is not None:
            await _print_hint(box, words, login=login)
        return status

    return with_opened(
        target, settings, lambda fleet, box: linked(fleet, box, lambda: visit(box)), failed=LINK_FAILED
    )


async def _in_env(box: Box, command: str | None, *, terminal: bool) -> str | None:
    """Return the command that runs another one, or a login shell, in the environment chosen for the box.

    Raises RemoteError when the environment is unusable: the command would fail with a misleading error.
    """
    envs = envs_of(box)
    if await envs.restore() is None:
        if envs.trouble.value is not None:
            raise envs.trouble.value
        return command
    if command is None and not terminal:
        command = "exec $SHELL"  # it reads from a pipe: no rc files, no prompts
    return await envs.shell_command(command)


async def _in_login(box: Box, line: str | None) -> str | None:
    """Return the line that runs `line` in the login environment, if the box has one.

    When the box cannot store our programs, reports that on stderr and returns `line` unchanged.
    """
    if not box.context.has_login or line is None:
        return line
    try:
        return await login_of(box).command(line)
    except Dropped:
        raise
    except RemoteError as error:
        what = f"the environment of a login cannot be read: {error.text or error.title}"
        click.echo(f"gpubox-tui: {what}. --no-login says nothing of it", err=True)
        return line


async def _print_hint(box: Box, words: tuple[str, ...], *, login: bool) -> None:
    """Report on stderr where a login shell would have found a missing program."""
    from gpubox.boxes.jobs.spec_parsing import program_of

    program = program_of(words)
    if not box.context.has_login or not program:
        return
    if hint := await login_of(box).hint(program):
        click.echo(f"gpubox-tui: {hint}{'' if login else '. Run it without --no-login'}", err=True)


def channels_of(box: Box) -> Channels:
    """Return the channels of the link to a box; raises Dropped when the link is down."""
    from gpubox.core.retry import connected

    return connected(box.channels, box.name)


async def _behind_terminal(box: Box, command: str | None) -> int:
    from gpubox.local.tty import hand_over, terminal_spec

    async with channels_of(box).terminal(command, terminal_spec()) as terminal:
        visit = await hand_over(terminal)
    if visit.left:
        raise Cancelled("Left", f"{box.name} was left by ~.")
    return visit.status


async def _through_pipes(box: Box, command: str | None) -> int:
    from gpubox.local.stdio import carry

    async with channels_of(box).pipes(command) as pipes:
        return await carry(pipes)
