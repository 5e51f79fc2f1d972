"""One job: its facts and usage, its curves, and its log as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.boxes.box import Box
from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.config.settings import Settings
from gpubox.core.errors import GpuBoxError
from gpubox.core.link_state import Phase
from gpubox.core.record import Record, Tick
from gpubox.ui.app_access import program
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.error_boundary import guarded
from gpubox.ui.log.pane import LogPane
from gpubox.ui.modal_guard import begin
from gpubox.ui.panels.jobs.actions import JobActions
from gpubox.ui.panels.jobs.curves import draw_curves
from gpubox.ui.panels.jobs.details import draw_all, draw_head
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_caption, set_title

_TICKS = 1.0
"""Seconds between two updates of the curves of a running job."""
_MOST = 7200
"""Most seconds of a job that are drawn; a screen has no room for a year."""


_MORE = Binding.Group("More to do with it")
"""Keys that a narrow footer drops before those of the log."""


class JobScreen(ModalScreen[None]):
    """Fills the screen with one job until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "close", "Back", id="job.close", tooltip="Go back to the list"),
        Binding("enter,i", "details", "Details", id="job.details", tooltip="Everything known of the job"),
        Binding("x", "stop", "Stop", id="job.stop", tooltip="Stop the job with all its processes"),
        Binding(
            "R",
            "do('rerun')",
            "Run again",
            group=_MORE,
            id="job.rerun",
            tooltip="Start it once more as it was",
        ),
        Binding(
            "E", "do('edit')", "Edit", group=_MORE, id="job.edit", tooltip="Change it, and start it once more"
        ),
        Binding(
            "g",
            "do('results')",
            "Results",
            group=_MORE,
            id="job.results",
            tooltip="Look at its files, fetch them",
        ),
        Binding(
            "o", "do('folder')", "Folder", group=_MORE, id="job.folder", tooltip="Open a shell in its folder"
        ),
        Binding("question_mark,f1", "app.help", "Help", id="job.help", tooltip="Explain what is here"),
    ]
    HELP = """\
The log as it grows. Scrolling up stops following, `end` follows again; `/` searches the whole log and
counts the lines with the words, `n` and `N` go on, also around its end and start. The curves are of this job
alone: its GPUs, or the CPU where it has none.
"""

    def __init__(self, box: Box, settings: Settings, record: Record) -> None:
        super().__init__()
        self.box = box
        self.record = record
        """The newest known record of the job."""
        self._settings = settings
        self._verbs = JobActions(self, box, settings)
        self._ticks: list[Tick] = []
        self._head = LineView(self._draw_head, id="head")
        self._curves = LineView(self._draw_curves, id="curves")
        self._head.can_focus = self._curves.can_focus = False
        self._log = LogPane(box, box.use(Jobs), id="log")

    def compose(self) -> ComposeResult:
        """Compose the page."""
        with Vertical(id="job") as frame:
            set_title(frame, wording.name(self.record))
            set_caption(frame, self._caption())
            self._frame = frame
            yield self._head
            yield self._curves
        yield self._log
        yield KeyFooter()

    def on_mount(self) -> None:
        """Follow the job, its curves and its log."""
        set_title(self._log, "Log")
        self._log.show(self.record.id)
        self._say()
        self._log.view.focus()
        for work in (self._follow(), self._watch(), self._look()):
            self.run_worker(guarded(self, work), exit_on_error=False)
        self.set_interval(1.0, self._head.redraw)

    async def _follow(self) -> None:
        async for records in self.box.use(Jobs).feed.follow():
            found = next((one for one in records if one.id == self.record.id), None)
            if found is not None:
                self.record = found
                self._say()
                set_caption(self._frame, self._caption())
                self._head.redraw()
                self.refresh_bindings()

    def _say(self) -> None:
        """Show below the log how the job ended, or why there is no log yet."""
        record = self.record
        waits = record.state == "queued"
        nothing = "It waits: no log yet" if waits else "Nothing written yet"
        self._log.set_notes(
            wording.ended(record),
            "It wrote nothing" if record.ending is not None else nothing,
            waits=waits,
        )

    def _caption(self) -> str:
        simulated = any(gpu.simulated for gpu in self.record.gpus)
        return f"SIMULATED · {self.box.name}" if simulated else self.box.name

    async def _watch(self) -> None:
        async with self.box.use(Jobs).watch():
            await asyncio.Event().wait()

    async def _look(self) -> None:
        """Load the growing curves; they stay unchanged while the link is down."""
        place = 0
        while True:
            record = self.record
            with suppress(GpuBoxError):
                ticks, place = await self.box.use(Jobs).ticks(record.id, place)
                if ticks:
                    self._ticks = [*self._ticks, *ticks][-_MOST:]
                    self._curves.redraw()
                if not ticks and not wording.active(record):
                    return
            await asyncio.sleep(_TICKS)

    def _draw_head(self, width: int, _height: int) -> Sequence[Line]:
        sample = self.box.sample.value
        at = wording.now(self.record, sample.time if sample is not None else None)
        return draw_head(self.record, at, width, tall=program(self).size.height >= 30)

    def _draw_curves(self, width: int, height: int) -> Sequence[Line]:
        return draw_curves(self.record, self._ticks, width, height)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        if action == "stop":
            return wording.active(self.record) and self.box.link.health.value.phase is Phase.LIVE
        if action == "do":
            return self._verbs.can(str(parameters[0]), self.record)
        return True

    def action_close(self) -> None:
        """Go back."""
        self.dismiss()

    def action_details(self) -> None:
        """Show everything known about the job."""
        window = Details(
            wording.name(self.record),
            self.box.sample,
            lambda width, _height: draw_all(self.record, width),
        )
        program(self).push_screen(window)

    def action_stop(self) -> None:
        """Ask, then stop the job."""
        record = self.record
        begin(self, lambda: self._verbs.stop(record))

    def action_do(self, verb: str) -> None:
        """Run an action of JobActions; a new job replaces the shown one."""
        begin(self, lambda: self._do(verb))

    async def _do(self, verb: str) -> None:
        made = await self._verbs.do(verb, self.record)
        if made is not None and self.is_current:
            app = program(self)
            self.dismiss()
            app.push_screen(JobScreen(self.box, self._settings, made))
