"""`gpubox-tui [BOX]`: the panel; without a terminal one status instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gpubox.commands.common import (
    Common,
    common_of,
    common_options,
    complete_box,
    has_terminal,
    parse_boxes,
)

if TYPE_CHECKING:
    from gpubox.config.files import Loaded
    from gpubox.core.target import Target


@click.command()
@click.argument("box", required=False, shell_complete=complete_box)
@common_options
@click.pass_context
def panel(ctx: click.Context, box: str | None = None) -> int:
    """Open the panel on BOX; without BOX, pick one from a list.

    Without a terminal one status is printed instead.
    """
    common = common_of(ctx)
    loaded = common.load()
    targets = parse_boxes((box,), loaded.settings) if box else []
    if has_terminal():
        return _open(loaded, targets, common)
    if not targets:
        raise click.UsageError("there is no terminal to pick a box in; name one", ctx)
    from gpubox.commands.status import read

    return read(targets, loaded, log=common.log)


def _open(loaded: Loaded, targets: list[Target], common: Common) -> int:
    """Run the panel until the user leaves it; return the exit status."""
    from gpubox.commands import log

    log.begin_panel(common.log)
    from gpubox.boxes.targets import known
    from gpubox.config.reload import SettingsFile
    from gpubox.store.store import Store
    from gpubox.ui.app import GpuBoxApp
    from gpubox.ui.draw import graphics

    settings = loaded.settings
    graphics.find(settings.desktop.pictures)
    with Store.open(settings) as store:
        app = GpuBoxApp(
            settings=settings,
            targets=known(settings, [*(target.name for target in targets), *store.state.recent()]),
            first=targets[0] if targets else None,
            store=store,
            warnings=loaded.problems,
            remember=store.state.remember,
            trouble=store.trouble,
            file=SettingsFile(loaded.path, common.load),
        )
        app.run()
    return app.return_code or 0
