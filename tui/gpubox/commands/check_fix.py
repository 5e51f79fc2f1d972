"""`gpubox-tui check BOX --fix ID`: shows what would change, asks, changes it, and looks again."""

from __future__ import annotations

import click

from gpubox.boxes.box import Box
from gpubox.boxes.checks import all_checks
from gpubox.boxes.checks.check import Outcome
from gpubox.boxes.checks.checks import Checks
from gpubox.boxes.checks.fix_plan import Plan
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.checks.prepared_fix import PreparedFix, last_fix, prepare
from gpubox.boxes.checks.run import Judged
from gpubox.boxes.checks.select import select
from gpubox.commands import check_report
from gpubox.commands.common import complain
from gpubox.core.errors import Cancelled, GpuBoxError, RemoteError
from gpubox.core.prompts import Asker, Nobody, Question, QuestionKind
from gpubox.core.sanitize import clean

_LINE = 400
"""Most characters of a line of a diff."""


async def fix(box: Box, name: str, asker: Asker, *, dry_run: bool, yes: bool) -> int:
    """Make one check right; return the exit status. Raises GpuBoxError."""
    (check,) = select(all_checks(), (name,), ())
    found = _of(await box.use(Checks).look([check]), name)
    if found.result.fix is None:
        click.echo("\n".join(check_report.lines([found])))
        if found.result.outcome in (Outcome.OK, Outcome.NOT_HERE):
            return 0
        raise RemoteError("No fix", "This program cannot make it right", found.result.step)
    proposed = found.result.fix
    prepared = await prepare(box.context, check, proposed, asker, dry_run=dry_run)
    click.echo("\n".join(described(prepared.plan)))
    if dry_run:
        return 0
    if not yes:
        await _agreed(asker, box.name, prepared.plan)
    if proposed.sshd is not None:
        complain(GpuBoxError("Testing", "a new login has to work before the box keeps this"), box.name)
    done = await prepared.apply()
    again = _of(await box.use(Checks).look([check]), name)
    click.echo("")
    click.echo("\n".join(check_report.lines([again])))
    if done:
        click.echo(f"To undo it: gpubox-tui check {box.name} --undo {done}")
    await _offer(prepared, Nobody() if yes else asker)
    return check_report.exit_status([again])


async def _offer(prepared: PreparedFix, asker: Asker) -> None:
    """Print an entry for the ssh configuration, and add it after a yes; --yes agreed to the fix only."""
    lines, added = await prepared.offer_entry(asker)
    if lines:
        heading = "Added to your ssh configuration:" if added else "An entry for your ssh configuration:"
        click.echo("\n".join(("", heading, "", *(clean(line, _LINE) for line in lines.splitlines()))))


def described(plan: Plan) -> list[str]:
    """Return a plan as lines for people: its title, what it costs, and the diff."""
    diff = [clean(line, _LINE) for line in plan.diff()]
    warnings = [f"! {clean(text, _LINE)}" for text in plan.planned.warnings]
    return [plan.fix.title, plan.fix.cost, "", *(diff or ["Nothing would change"]), *warnings]


async def undo(box: Box, name: str, asker: Asker, *, yes: bool) -> int:
    """Undo a fix by its id, or the last one of a check; return the exit status. Raises GpuBoxError."""
    entry = await last_fix(box.context, name, asker)
    text = f"{clean(entry.title, 80)}: {', '.join(clean(path, 120) for path in entry.paths)}"
    if not yes and await asker.ask(Question(box.name, "Undo this?", text, QuestionKind.YES_NO)) != "yes":
        raise Cancelled("Nothing was undone")
    await box.use(Fixes).undo(entry)
    click.echo(f"Undone: {text}")
    return 0


def _of(found: tuple[Judged, ...], name: str) -> Judged:
    return next(one for one in found if one.check.id == name)


async def _agreed(asker: Asker, box: str, plan: Plan) -> None:
    question = Question(box, f"{plan.fix.title}?", plan.fix.cost, QuestionKind.YES_NO, danger=True)
    answer = await asker.ask(question)
    if answer is None:
        raise Cancelled("Nobody was there to agree", "Nothing was changed", "--yes agrees beforehand")
    if answer != "yes":
        raise Cancelled("Nothing was changed")
