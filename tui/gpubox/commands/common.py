"""Shared by all commands: options for settings and log, box names, and how an error ends a command."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import CompletionItem

from gpubox.core import gc_tuning
from gpubox.core.errors import ConfigError, GpuBoxError
from gpubox.core.sanitize import clean

if TYPE_CHECKING:
    from gpubox.config.files import Loaded
    from gpubox.config.settings import Settings
    from gpubox.core.target import Target

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

BROKEN_PIPE = 141
"""Exit status when the reader of our output closed the pipe, as shells report it."""


@dataclass(slots=True)
class Common:
    """The options that are allowed before and after a command's name."""

    config: Path | None = None
    log: Path | None = None
    flags: tuple[str, ...] = ()

    def load(self) -> Loaded:
        """Return the settings; raises ConfigError for the command line."""
        from gpubox.config.files import load

        return load(self.config, flags=self.flags)


def run_async(work: Awaitable[T]) -> T:
    """Run what a command does and return its result; garbage is collected again once the start is over."""
    import asyncio  # with msgspec the slowest import; `--help` does without

    async def working() -> T:
        if gc_tuning.held():
            asyncio.get_running_loop().call_later(gc_tuning.STARTED, gc_tuning.release)
        return await work

    return asyncio.run(working())


def common_of(context: click.Context) -> Common:
    """Return the shared options of this run."""
    root = context.find_root()
    if not isinstance(root.obj, Common):
        root.obj = Common()
    return root.obj


def no_login(function: F) -> F:
    """Give a command --no-login, which sets `login` to false."""
    words = "Without the environment that a login shell there has."
    return click.option("--no-login", "login", flag_value=False, default=True, help=words)(function)


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
    """Return the boxes whose name begins with `incomplete`; never fails, because Tab runs it."""
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
    """Return the boxes of a command line without duplicates; raises ConfigError for an unknown one."""
    from gpubox.boxes.targets import parse

    targets = (parse(name, settings) for name in names)
    return list({target.name: target for target in targets}.values())


def begin(context: click.Context, name: str) -> tuple[Settings, Target]:
    """Return the settings and the named box; reports faults of the settings and opens the log.

    Raises ConfigError for a mistake on the command line.
    """
    from gpubox.boxes.targets import parse

    common = common_of(context)
    loaded = common.load()
    for problem in loaded.problems:
        complain(problem)
    from gpubox.commands import log

    log.begin(common.log)
    return loaded.settings, parse(name, loaded.settings)


def complain(error: GpuBoxError, about: str = "gpubox-tui") -> None:
    """Write an error to stderr in one line, which names the box once; a failure of that is ignored."""
    text = str(error).replace(f". {about}: ", ". ", 1)  # the error's own text may name it too
    try:
        click.echo(clean(f"{about}: {text}", 8192), err=True)
    except OSError:
        forget_complaints()


def exit_status(error: GpuBoxError) -> int:
    """Return 2 for a usage error, 1 for a failure of the box."""
    return 2 if isinstance(error, ConfigError) else 1


def has_terminal() -> bool:
    """Return whether the panel can be drawn: stdin and stdout are a terminal that can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def occupy_streams() -> None:
    """Reserve the numbers of closed standard streams (`>&-`), or the next opened file would get one.

    Writing to a closed stdout stays an error, as it is for `cat`; stdin is empty and stderr goes nowhere.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest free number, which is this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def leave_pipe() -> int:
    """Make the interpreter's final flush harmless after a broken pipe; return the exit status."""
    _forget_output()
    return BROKEN_PIPE


_OUTPUT_FAULTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def leave_output(error: OSError) -> int:
    """Report that stdout cannot be written (a full disk, `>&-`) and return the exit status.

    Reraises an error about anything else, such as a named file.
    """
    if error.errno not in _OUTPUT_FAULTS or error.filename is not None:
        raise error
    _forget_output()
    complain(GpuBoxError("The output cannot be written", error.strerror or ""))
    return 1


def forget_complaints() -> None:
    """Make the interpreter's final flush of stderr harmless, or the exit status may become 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _forget_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
