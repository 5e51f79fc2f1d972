"""`gpubox-tui check`: how boxes are set up, what is wrong, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gpubox.commands.common import common_of, common_options, complain, complete_box, parse_boxes, run_async
from gpubox.core.errors import ConfigError, GpuBoxError

if TYPE_CHECKING:
    from gpubox.boxes.box import Box
    from gpubox.boxes.checks.check import Check
    from gpubox.boxes.checks.run import Judged
    from gpubox.config.settings import Settings
    from gpubox.core.target import Target

COULD_NOT_LOOK = 3
"""Exit status when a box was not reached, or when nothing is wrong with what could be looked at."""


@click.command()
@click.argument("words", nargs=-1, metavar="BOX... [ID...]", shell_complete=complete_box)
@click.option("--only", metavar="ID|GROUP", multiple=True, help="Only this check, or all of a group.")
@click.option("--skip", metavar="ID|GROUP", multiple=True, help="All but this check, or this group.")
@click.option("--like", metavar="BOX", help="Take BOX as the model: show where the others differ from it.")
@click.option("--sudo", is_flag=True, help="Look as root, too: asks for the password of sudo there.")
@click.option("--try", "trials", is_flag=True, help="Also try X11 and a desktop for real; takes seconds.")
@click.option("--fix", metavar="ID", help="Make this check right: shows the change, and asks.")
@click.option("--dry-run", is_flag=True, help="With --fix: only show the change.")
@click.option("--yes", is_flag=True, help="With --fix or --undo: do not ask.")
@click.option("--undo", metavar="ID", help="Undo a fix, by its own id or that of its check.")
@click.option("--all", "everything", is_flag=True, help="Also what is not here, one by one.")
@click.option("--list", "listing", is_flag=True, help="Print all checks, without looking at a box.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a box; see docs/json.md.")
@click.option("--markdown", is_flag=True, help="A table for a wiki or an issue.")
@common_options
@click.pass_context
def check(
    ctx: click.Context,
    words: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    like: str | None,
    sudo: bool,
    fix: str | None,
    dry_run: bool,
    yes: bool,
    undo: str | None,
    everything: bool,
    trials: bool,
    listing: bool,
    as_json: bool,
    markdown: bool,
) -> int:
    """Check how each BOX is set up; nothing is changed there without --fix.

    BOX may be a tag: `@lab`. An ID such as `sshd.passwords` chooses a check; all are in docs/checks.md.
    Exit status: 0 all is well, 1 warnings, 2 something failed or a usage error, 3 could not look.
    """
    from gpubox.boxes.checks import all_checks
    from gpubox.boxes.checks.select import is_id, select
    from gpubox.commands import check_report

    every = all_checks()
    names = tuple(word for word in words if not is_id(word, every))
    chosen = select(
        every, (*only, *(word for word in words if is_id(word, every))), skip, trials=trials or listing
    )
    if listing:
        click.echo("\n".join(check_report.table_of_checks(chosen)))
        return 0
    if not names:
        raise click.UsageError("name a box to check, or --list", ctx)
    if fix or undo:
        if len(names) != 1:
            raise click.UsageError("name one box to change", ctx)
        return _change(ctx, names[0], fix=fix, dry_run=dry_run, yes=yes, undo=undo)
    loaded = common_of(ctx).load()
    targets = _targets(names, like, loaded.settings)
    results = _look(ctx, targets, chosen, loaded.settings, sudo=sudo)
    found = {target.name: results[target.name] for target in targets if target.name in results}
    form = check_report.Form(as_json, markdown, sys.stdout.isatty(), everything)
    model = targets[0].name if like else ""
    if found:
        click.echo("\n".join(check_report.report(found, form, model=model)))
    statuses = [check_report.exit_status(judged) for judged in found.values()]
    if len(found) < len(targets):
        statuses.append(COULD_NOT_LOOK)
    return max(statuses, key=check_report.SEVEREST.index, default=0)


def _change(
    ctx: click.Context, name: str, *, fix: str | None, dry_run: bool, yes: bool, undo: str | None
) -> int:
    """Make or undo a fix on one box, and return the exit status."""
    from gpubox.commands import check_fix
    from gpubox.commands.asker import TerminalAsker
    from gpubox.commands.session import with_box

    asker = TerminalAsker()

    async def work(box: Box, _: Settings) -> int:
        if undo:
            return await check_fix.undo(box, undo, asker, yes=yes)
        return await check_fix.fix(box, fix or "", asker, dry_run=dry_run, yes=yes)

    return with_box(ctx, name, work, failed=2)


def _targets(names: Sequence[str], like: str | None, settings: Settings) -> list[Target]:
    """Return the boxes to look at, the model first; raises ConfigError."""
    from gpubox.boxes.targets import with_tags

    return parse_boxes(with_tags(((like,) if like else ()) + tuple(names), settings), settings)


def _look(
    ctx: click.Context,
    targets: Sequence[Target],
    chosen: Sequence[Check],
    settings: Settings,
    *,
    sudo: bool,
) -> dict[str, Sequence[Judged]]:
    """Return what the checks came to by box; a box that could not be looked at is complained about."""
    from gpubox.boxes.checks.checks import Checks
    from gpubox.boxes.fleet import Fleet
    from gpubox.boxes.sudo import Sudo
    from gpubox.commands import log
    from gpubox.commands.asker import TerminalAsker
    from gpubox.commands.session import linked
    from gpubox.core.tasks import together

    log.begin(common_of(ctx).log)
    asker = TerminalAsker()
    fleet = Fleet(settings, asker)
    found: dict[str, Sequence[Judged]] = {}

    async def look(box: Box) -> Sequence[Judged]:
        if sudo:
            await box.use(Sudo).unlock(asker, "Some checks need root to look.")
        return await box.use(Checks).look(chosen)

    async def one(target: Target) -> None:
        try:
            box = fleet.open(target)
            found[target.name] = await linked(fleet, box, lambda: look(box))
        except ConfigError:
            raise
        except GpuBoxError as error:
            complain(error, target.name)

    run_async(together(*(one(target) for target in targets)))
    return found
