"""`gpubox-tui put` and `get`: files and folders between this machine and a box."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_options, complete_box
from gpubox.commands.features import files_of
from gpubox.commands.output import print_json
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gpubox.boxes.box import Box
    from gpubox.boxes.files.transfer import TransferProgress

_QUIET = 0.5
"""Seconds before progress is drawn: a quick transfer needs none."""

as_json = click.option(
    "--json", "as_json", is_flag=True, help="One JSON object in the end; see docs/json.md."
)
quiet = click.option("--quiet", "-q", is_flag=True, help="Draw no progress, and no line in the end.")


@click.command()
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@click.argument("paths", nargs=-1, required=True, metavar="LOCAL... [REMOTE]", type=click.Path())
@quiet
@as_json
@common_options
@click.pass_context
def put(ctx: click.Context, box: str, paths: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Copy files and folders of this machine to BOX.

    REMOTE is a folder or a new name; relative ones start at the home folder, which is also the default. A
    folder that ends with / is created. Existing files are replaced, each atomically once all of it has
    arrived; identical files of a megabyte or more are not sent again. If the link drops, the transfer waits
    and resumes; a later `put` resumes an interrupted one, too.

    Exit status: 0 everything is there, 1 something is not, 2 usage error.
    """
    local, remote = (paths[:-1], paths[-1]) if len(paths) > 1 else (paths, "")
    for path in local:
        if not os.path.exists(path):
            raise ConfigError("No such file", f"{clean(path, 200)} is not on this machine")

    def copy(
        opened: Box, on_progress: Callable[[TransferProgress], None] | None
    ) -> Awaitable[TransferProgress]:
        return files_of(opened).put(local, remote, on_progress)

    return _copied(ctx, box, copy, quiet=quiet, as_json=as_json)


@click.command()
@click.argument("box", metavar="BOX", shell_complete=complete_box)
@click.argument("paths", nargs=-1, required=True, metavar="REMOTE... [LOCAL]", type=click.Path())
@click.option("--replace", is_flag=True, help="Replace files that are here also where a pattern found them.")
@quiet
@as_json
@common_options
@click.pass_context
def get(
    ctx: click.Context, box: str, paths: tuple[str, ...], replace: bool, quiet: bool, as_json: bool
) -> int:
    """Copy files and folders of BOX to this machine.

    REMOTE may be a quoted pattern: '~/out/*.png'; relative paths start at the home folder. LOCAL is a
    folder or a new name; the default is the current folder, and a folder that ends with / is created.
    Without --replace, a file that only a pattern matched never replaces a different local file: it is
    skipped and named. Everything else is as in `put`.

    Exit status: 0 everything is here, 1 something is not, 2 usage error.
    """
    remote, local = (paths[:-1], paths[-1]) if len(paths) > 1 else (paths, ".")
    to = os.path.abspath(local) + ("/" if local.endswith("/") else "")

    def copy(
        opened: Box, on_progress: Callable[[TransferProgress], None] | None
    ) -> Awaitable[TransferProgress]:
        return files_of(opened).get(remote, to, on_progress, replace=replace)

    return _copied(ctx, box, copy, quiet=quiet, as_json=as_json)


def _copied(
    ctx: click.Context,
    name: str,
    copy: Callable[[Box, Callable[[TransferProgress], None] | None], Awaitable[TransferProgress]],
    *,
    quiet: bool,
    as_json: bool,
) -> int:
    from gpubox.commands.session import with_box

    async def work(box: Box, _: object) -> int:
        shown = None if quiet or not sys.stderr.isatty() else ProgressLine()
        began = time.monotonic()
        try:
            done = await copy(box, shown.show if shown else None)
        finally:
            if shown:
                shown.clear()
        for text in done.skipped:
            click.echo(clean(f"left out: {text}", 4096), err=True)
        if as_json:
            print_json(
                box.name,
                files=done.files,
                bytes=done.bytes,
                reused=done.reused,
                skipped=done.skipped,
                seconds=round(time.monotonic() - began, 3),
            )
        elif not quiet:
            click.echo(summary(done, time.monotonic() - began), err=True)
        return 1 if done.skipped else 0

    return with_box(ctx, name, work)


class ProgressLine:
    """One line of progress on stderr, drawn over itself."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._drawn = False
        self._last: tuple[float, int] | None = None
        self._rate: float | None = None

    def show(self, progress: TransferProgress) -> None:
        """Draw the progress."""
        now = time.monotonic()
        if now - self._began < _QUIET:
            return
        if self._last is not None and now > self._last[0]:
            rate = (progress.bytes - self._last[1]) / (now - self._last[0])
            self._rate = rate if self._rate is None else 0.8 * self._rate + 0.2 * rate
        self._last = (now, progress.bytes)
        width = max(20, _columns() - 1)
        click.echo(f"\r\x1b[K{line(progress, self._rate)[:width]}", err=True, nl=False)
        self._drawn = True

    def clear(self) -> None:
        """Erase the line."""
        if self._drawn:
            click.echo("\r\x1b[K", err=True, nl=False)


def line(progress: TransferProgress, rate: float | None) -> str:
    """Return progress in a line: `42%  1.2G of 2.9G  84.1M/s  20s left  3 of 7  model.bin`."""
    from gpubox.common import units

    whole = progress.all_bytes
    share = f"{100 * progress.bytes // whole if whole else 0:3d}%"
    left = (whole - progress.bytes) / rate if rate and rate > 1 else None
    parts = [
        share,
        f"{units.size(progress.bytes)} of {units.size(whole)}",
        units.rate(rate),
        f"{units.duration(left)} left",
    ]
    if progress.all_files > 1:
        parts.append(f"{min(progress.files + 1, progress.all_files)} of {progress.all_files}")
    return "  ".join([*parts, progress.name])


def summary(done: TransferProgress, seconds: float) -> str:
    """Return a summary of a copy: `7 files, 2.9G, 1.0G of it there already, in 35s (54.3M/s)`."""
    from gpubox.common import units

    parts = [f"{done.files} file{'' if done.files == 1 else 's'}", units.size(done.bytes)]
    if done.reused:
        parts.append(f"{units.size(done.reused)} of it there already")
    rate = units.rate((done.bytes - done.reused) / seconds) if seconds > 0 else "–"
    return f"{', '.join(parts)}, in {units.duration(seconds)} ({rate})"


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80  # a pty without a size
    except OSError:
        return 80
