"""What every command shares: options for settings and log, names of boxes, and how an error ends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gpubox.core.errors import ConfigError, GpuBoxError

if TYPE_CHECKING:
    from gpubox.boxes.box import Target
    from gpubox.config.files import Loaded
    from gpubox.config.settings import Settings

F = TypeVar("F", bound=Callable[..., object])

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells report it."""
BROKEN_PIPE = 141
"""Exit status when the reader of our output went away, as shells report it."""


@dataclass(slots=True)
class Common:
    """The options that may stand before and after a command's name."""

    config: Path | None = None
    log: Path | None = None
    flags: tuple[str, ...] = ()

    def load(self) -> Loaded:
        """Return the settings; raises ConfigError for what stands on the command line."""
        from gpubox.config.files import load

        return load(self.config, flags=self.flags)


def common_of(context: click.Context) -> Common:
    """Return the shared options of this run."""
    root = context.find_root()
    if not isinstance(root.obj, Common):
        root.obj = Common()
    return root.obj


class OfBox(click.Group):
    """Commands that follow a box; without one of them it is `list`."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes, invoke_without_command=True, no_args_is_help=True)
        self.subcommand_metavar = "[COMMAND]"

    def invoke(self, ctx: click.Context) -> object:
        """Do what stands there; returns the exit status."""
        done = super().invoke(ctx)
        return done if ctx.invoked_subcommand else ctx.invoke(self.commands["list"])


def common_options(function: F) -> F:
    """Give a command --config, --log and --set."""
    for option in (
        click.option(
            "--set",
            metavar="SECTION.KEY=VALUE",
            multiple=True,
            expose_value=False,
            callback=_flags,
            help="Set one setting for this run.",
        ),
        click.option(
            "--log",
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            expose_value=False,
            callback=_log,
            help="Write what happens to FILE.",
        ),
        click.option(
            "--config",
            metavar="FILE",
            type=click.Path(dir_okay=False, path_type=Path),
            expose_value=False,
            callback=_config,
            help="Settings file to read instead of your own.",
        ),
    ):
        function = option(function)
    return function


def _config(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        common_of(context).config = value


def _log(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        common_of(context).log = value


def _flags(context: click.Context, _: click.Parameter, value: tuple[str, ...]) -> None:
    common_of(context).flags += value


def complete_box(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the boxes whose name begins with `incomplete`; never fails, as it runs inside a Tab."""
    from gpubox.boxes.targets import known

    try:
        targets = known(common_of(context).load().settings, ())
    except GpuBoxError:
        return []
    return [
        CompletionItem(target.name, help=target.detail or target.source)
        for target in targets
        if target.name.startswith(incomplete)
    ]


def parse_boxes(names: tuple[str, ...], settings: Settings) -> list[Target]:
    """Return the boxes of a command line, each once; raises ConfigError in words for a name of no box."""
    from gpubox.boxes.targets import parse

    return [parse(name, settings) for name in dict.fromkeys(names)]


def begin(context: click.Context, name: str) -> tuple[Settings, Target]:
    """Return the settings and the box of a name; tells what is wrong with the settings, opens the log.

    Raises ConfigError for what stands on the command line.
    """
    from gpubox.boxes.targets import parse

    common = common_of(context)
    loaded = common.load()
    for problem in loaded.problems:
        complain(problem)
    from gpubox.commands.log import nowhere, to_file

    nowhere() if common.log is None else to_file(common.log)
    return loaded.settings, parse(name, loaded.settings)


def complain(error: GpuBoxError, about: str = "gpubox-tui") -> None:
    """Write an error to stderr in one line."""
    click.echo(f"{about}: {error}", err=True)


def exit_status(error: GpuBoxError) -> int:
    """Return 2 for what the person wrote, 1 for what a box did."""
    return 2 if isinstance(error, ConfigError) else 1


def has_terminal() -> bool:
    """Tell whether a panel can be drawn: both ends are a terminal that can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def leave_pipe() -> int:
    """Make the interpreter's last flush harmless after the reader went away; return the exit status."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE
