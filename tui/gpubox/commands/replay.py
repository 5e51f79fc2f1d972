"""`gpubox-tui replay`: the panel on a recording; without a terminal its last reading instead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_of, common_options, complain, has_terminal

if TYPE_CHECKING:
    from gpubox.commands.common import Common
    from gpubox.config.files import Loaded
    from gpubox.store.recording.reader import Recording


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--speed",
    type=click.FloatRange(0.125, 64),
    default=1.0,
    metavar="N",
    help="Play N times as fast, from 0.125 to 64.",
)
@common_options
@click.pass_context
def replay(ctx: click.Context, file: Path, speed: float) -> int:
    """Show a recording in the panel, as it was live.

    Space pauses, comma and full stop move 10 seconds, parentheses a minute, braces change the speed.
    Without a terminal the last reading is printed instead.
    """
    from gpubox.store.recording.reader import Recording

    common = common_of(ctx)
    loaded = common.load()
    recording = Recording.open(file)
    if has_terminal():
        return _open(recording, loaded, common, speed)
    for problem in loaded.problems:
        complain(problem)
    return _print_last(recording, loaded)


def _print_last(recording: Recording, loaded: Loaded) -> int:
    from gpubox.boxes.jobs import wording
    from gpubox.boxes.replay.box import target_of
    from gpubox.commands import report

    if (damage := recording.error) is not None:
        complain(damage)
    frame, name = recording.last(), target_of(recording).name
    assert frame.sample is not None  # that is what `last` returns
    moment = wording.clock(frame.time)
    lines = report.as_lines(name, frame.sample, len(name), f"{moment}  ", loaded.settings.limits)
    click.echo("\n".join(lines))
    return 1 if damage is not None else 0


def _open(recording: Recording, loaded: Loaded, common: Common, speed: float) -> int:
    """Run the panel until the user leaves it; return the exit status."""
    from gpubox.commands import log

    log.begin_panel(common.log)
    from gpubox.boxes.factory import open_box
    from gpubox.boxes.replay.box import ReplayBox, target_of
    from gpubox.config.resolve import resolved
    from gpubox.ui.app import GpuBoxApp

    target, settings = target_of(recording), loaded.settings
    own = resolved(settings, target.name)
    damage = recording.error
    app = GpuBoxApp(
        settings=settings,
        targets=[target],
        first=target,
        opener=lambda other, asker: (
            ReplayBox(recording, own, speed) if other == target else open_box(other, settings, asker)
        ),
        warnings=[*loaded.problems, *([] if damage is None else [damage])],
    )
    app.run()
    return app.return_code or 0
