"""Actions on a job, with their questions and messages, for the list of jobs and the job screen."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from typing import cast

from textual.app import App
from textual.widget import Widget

from gpubox.boxes.box import Box
from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.common import units
from gpubox.config.settings import Settings
from gpubox.core.job import JobSpec
from gpubox.core.link_state import Phase
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.record import Record
from gpubox.core.retry import connected
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import asker, program
from gpubox.ui.modal_guard import window

VERBS = ("rerun", "edit", "folder", "results")
"""Actions on a job besides show, stop and remove."""
_SHELL = 'cd -- "$1" && exec "${SHELL:-/bin/sh}" -l'
"""Opens the login shell of the box in a folder."""


class JobActions:
    """The verbs of jobs of one box, for one panel or screen; they raise what the box's services raise."""

    def __init__(self, node: Widget, box: Box, settings: Settings) -> None:
        self._node = node
        self._box = box
        self._settings = settings
        self._draft: JobSpec | None = None

    def can(self, verb: str, record: Record) -> bool:
        """Return whether one of VERBS makes sense now."""
        match verb:
            case "folder":
                return self._box.channels.value is not None
            case "results":
                return bool(record.results or record.spec.results)
            case _:
                return self._box.link.health.value.phase is Phase.LIVE

    async def do(self, verb: str, record: Record) -> Record | None:
        """Run one of VERBS; return the new job, if there is one."""
        match verb:
            case "rerun":
                made = await self._box.use(Jobs).rerun(record.id)
                self._node.notify(wording.state_sentence(made), title="Once more", markup=False)
                return made
            case "edit":
                jobs = self._box.use(Jobs)
                whole = await jobs.show(record.id)  # lists leave out the files that are sent along
                return await self._form(jobs.spec_again(whole), f"Run {wording.name(record)} again")
            case "folder":
                await self._folder(record)
            case _:
                await self._results(record)
        return None

    async def stop(self, record: Record) -> None:
        """Ask, then end a job with all its processes."""
        if await self._sure(stopping(self._box.name, record)):
            await self._box.use(Jobs).stop(record.id)

    async def remove(self, records: Sequence[Record]) -> bool:
        """Ask, then delete the records and logs of ended jobs; return whether they were deleted."""
        if not await self._sure(removing(self._box.name, records)):
            return False
        await self._box.use(Jobs).remove([record.id for record in records])
        return True

    async def _sure(self, question: Question) -> bool:
        return await asker(self._node).ask(question) == "yes"

    async def new(self) -> Record | None:
        """Ask for a job and launch it; after a failure the form begins with the same job the next time."""
        return await self._form(self._draft, "New job")

    async def _form(self, begin: JobSpec | None, title: str) -> Record | None:
        from gpubox.ui.panels.jobs.form import JobForm
        from gpubox.ui.panels.jobs.form_context import context, learned

        box, settings = self._box, self._settings
        form = JobForm(await context(box, settings), begin, title, partial(learned, box, settings))
        spec = await window(self._node, form)
        if spec is None:
            return None
        self._draft = spec
        record = await self._box.use(Jobs).launch(spec)
        self._draft = None
        return record

    async def _folder(self, record: Record) -> None:
        """Suspend the panel for a shell of the box in the job's working folder."""
        from gpubox.local.tty import hand_over, terminal_spec
        from gpubox.ui.shell import give_way

        channels = connected(self._box.channels, self._box.name)
        place = record.cwd or record.spec.cwd
        command = shlex.join(("exec", "sh", "-c", _SHELL, "sh", place)) if place else None
        greeting = f"{clean(self._box.name, 60)}: {clean(place or '~', 200)}; Enter ~ . comes back at once"
        async with channels.terminal(command, terminal_spec()) as terminal:
            await give_way(cast("App[None]", program(self._node)), lambda: hand_over(terminal, greeting))

    async def _results(self, record: Record) -> None:
        """Show the result files of a job, to view and fetch them."""
        from gpubox.ui.panels.jobs.results_screen import JobResults

        await window(self._node, JobResults(self._box, record))


def stopping(box: str, record: Record) -> Question:
    """Return the question before a job is stopped."""
    took = units.duration(wording.seconds(record, wording.now(record)))
    return Question(
        about=box,
        title=f"Stop {wording.name(record)}?",
        text=f"{wording.command(record, 200)}\n\n"
        + (
            f"It has waited for {took}; it leaves the queue."
            if record.state == "queued"
            else f"It has run for {took}{wording.on_gpus(record)}. All its processes get TERM, and KILL "
            f"{units.duration(record.spec.grace)} later."
        ),
        kind=QuestionKind.YES_NO,
        danger=record.state != "queued",
    )


def removing(box: str, records: Sequence[Record]) -> Question:
    """Return the question before records are deleted."""
    what = wording.name(records[0]) if len(records) == 1 else f"{len(records)} jobs"
    size = units.size(sum(record.log_bytes for record in records))
    names = "\n".join(f"{record.id}  {wording.name(record)}" for record in records[:8])
    more = f"\nand {len(records) - 8} more" if len(records) > 8 else ""
    whose = (
        f"The record and the log ({size}) are" if len(records) == 1 else f"The records and logs ({size}) are"
    )
    return Question(
        about=box,
        title=f"Remove {what}?",
        text=f"{names}{more}\n\n{whose} deleted on the box; the files that came of it stay.",
        kind=QuestionKind.YES_NO,
        danger=True,
    )
