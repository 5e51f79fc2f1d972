"""What the windows of checks do about one: make its fix, undo it, and copy what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.screen import Screen

from gpubox.boxes.box import Box
from gpubox.boxes.checks.check import Check
from gpubox.boxes.checks.fixes import Fixes
from gpubox.boxes.checks.prepared_fix import last_fix, prepare
from gpubox.boxes.checks.run import Judged
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import asker, program
from gpubox.ui.error_boundary import guarded
from gpubox.ui.modal_guard import window


def fix(box: Box, screen: Screen[None], one: Judged | None, again: Callable[[], object]) -> None:
    """Show what makes a check right, make the change after a yes, and call `again`.

    Without a check, or a fix of it, nothing happens. The work belongs to the program, not to the window:
    closing the window does not leave a change unproved.
    """
    if one is None or (proposed := one.result.fix) is None:
        return

    async def work() -> None:
        from gpubox.ui.screens.fix_preview import FixPreview

        prepared = await prepare(box.context, one.check, proposed, asker(screen))
        if await window(screen, FixPreview(prepared.plan)):
            done = await prepared.apply()
            undo = "u on this check undoes it" if screen.is_attached else "d, then u on this check, undoes it"
            text = f"Done: {prepared.plan.fix.title}{f'. {undo}' if done else ''}"
            program(screen).notify(text, markup=False)
            if screen.is_attached:
                again()
            if (await prepared.offer_entry(asker(screen)))[1]:
                screen.notify("The entry is in your ssh configuration", markup=False)

    _start(box, screen, work())


def undo(box: Box, screen: Screen[None], check: Check, again: Callable[[], object]) -> None:
    """Undo the last fix of a check after a yes, and call `again`."""

    async def work() -> None:
        entry = await last_fix(box.context, check.id, asker(screen))
        text = f"{clean(entry.title, 80)}\n" + "\n".join(clean(path, 120) for path in entry.paths)
        if await asker(screen).ask(Question(box.name, "Undo this?", text, QuestionKind.YES_NO)) == "yes":
            await box.use(Fixes).undo(entry)
            program(screen).notify("Undone", markup=False)
            if screen.is_attached:
                again()

    _start(box, screen, work())


def copy_step(screen: Screen[None], one: Judged | None) -> None:
    """Copy what to do about a check, if there is something to do."""
    if one is not None and one.result.step:
        program(screen).copy_to_clipboard(clean(one.result.step, 400))
        screen.notify("What to do is copied", markup=False)


def _start(box: Box, screen: Screen[None], work: Awaitable[object]) -> None:
    program(screen).run_worker(guarded(screen, work), group=f"fix {box.name}", exit_on_error=False)
