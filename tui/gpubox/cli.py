"""The command `gpubox-tui`: reads the words, wires the rooms together."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from io import TextIOWrapper

import click
from click.shell_completion import CompletionItem

from gpubox.commands.common import (
    Common,
    common_options,
    complain,
    complete_box,
    exit_status,
    forget_complaints,
    leave_output,
    leave_pipe,
    occupy_streams,
)
from gpubox.commands.ending import SignalExit, ended_by_signals
from gpubox.core import gc_tuning
from gpubox.core.errors import GpuBoxError
from gpubox.core.signals import reset_inherited

_COMMANDS = {
    "panel": "Open the panel on a box (the default command).",
    "status": "Print a one-shot text status of several boxes.",
    "record": "Record the readings of a box to a file.",
    "replay": "Show a recording in the panel.",
    "shell": "Open a shell on a box, or run a command there.",
    "tunnel": "Open ports and services of a box on this machine.",
    "x11": "Run a graphical program of a box, its windows here.",
    "check": "Check how boxes are set up, and what to do about it.",
    "compare": "Run one job in two environments and compare them.",
    "config": "Show and write the settings.",
    "desktop": "List, start, open and stop the desktops of a box.",
    "run": "Start a job on a box that outlives this terminal.",
    "jobs": "List, follow and stop the jobs of a box.",
    "monitor": "Monitor a box day and night by a service there.",
    "usage": "Print who used the GPUs of a box, and how much.",
    "alerts": "List, acknowledge and mute the alerts of a box.",
    "env": "List, choose and change the environments of a box.",
    "put": "Copy files and folders to a box.",
    "get": "Copy files and folders from a box.",
}
"""Each command, and what the help of the program says of it."""
_MODULES = {"put": "files", "get": "files"}
"""Modules of `commands` that are not named like the command."""


class _Unloaded(click.Command):
    """Stands for a command until it is run: to import all of them takes as long as click itself."""

    def __init__(self, name: str, short_help: str) -> None:
        super().__init__(name, short_help=short_help)

    def load(self) -> click.Command:
        """Return the command."""
        module = import_module(f"gpubox.commands.{_MODULES.get(str(self.name), self.name)}")
        command: object = getattr(module, str(self.name))
        assert isinstance(command, click.Command)
        return command


class BoxGroup(click.Group):
    """Commands, where a first word that is none of them is a box for the panel.

    A box whose name is also a command is still reached: `gpubox-tui panel status`.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the panel with all words when the first one names no command."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            if len(args) > 1 and not args[1].startswith("-"):  # the panel takes one box
                ctx.fail(f"No such command '{args[0]}'{_near(args[0], self.list_commands(ctx))}.")
            args = ["panel", *args]
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, _Unloaded) else command, rest

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a reader of our output that goes away ends it without a word, as it ends `cat`."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            return leave_pipe()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return commands, options and boxes."""
        items = super().shell_complete(ctx, incomplete)
        return items if incomplete.startswith("-") else items + complete_box(ctx, self.params[0], incomplete)


def _near(word: str, words: list[str]) -> str:
    from gpubox.config.expect import near  # msgspec: 25 ms that only a slip needs

    return near(word, words)


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # 30 ms that only this option needs

        click.echo(f"gpubox-tui {version('gpubox-tui')}")
        ctx.exit()


@click.group(
    cls=BoxGroup,
    invoke_without_command=True,
    subcommand_metavar="[BOX | COMMAND [ARGS]...]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="BOX is an alias of ~/.ssh/config, user@host[:port], a [[box]] of your settings, local or demo. "
    "A box whose name is also a command: gpubox-tui panel BOX.",
)
@common_options
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show it."
)
@click.pass_context
def cli(ctx: click.Context) -> object:
    """Watch GPU boxes over one ssh login each: GPUs, processes and the machine, live.

    Without a BOX, pick one from a list.
    """
    return ctx.invoke(_Unloaded("panel", "").load()) if ctx.invoked_subcommand is None else None


for _name, _help in _COMMANDS.items():
    cli.add_command(_Unloaded(_name, _help))


def run(words: list[str] | None = None) -> int:
    """Do what the words say and return the exit status: 0 done, 1 a box failed, 2 usage error."""
    with ended_by_signals() as ending:
        return _done(words, ending)


def _done(words: list[str] | None, ending: SignalExit) -> int:
    try:
        result: object = cli.main(words, prog_name="gpubox-tui", standalone_mode=False, obj=Common())
        sys.stdout.flush()
    except click.ClickException as error:
        try:
            error.show()
        except OSError:
            forget_complaints()
        return error.exit_code
    except GpuBoxError as error:
        complain(error)
        return exit_status(error)
    except (KeyboardInterrupt, click.Abort):
        return ending.status
    except BrokenPipeError:
        return leave_pipe()
    except OSError as error:
        return leave_output(error)
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run as a program."""
    gc_tuning.hold()  # what is imported is no garbage: not now, nor at the end
    occupy_streams()
    reset_inherited()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name of this machine may hold bytes that no locale has
            stream.reconfigure(errors="replace")
    status = run()
    gc.freeze()
    sys.exit(status)


if __name__ == "__main__":
    main()
