"""The jobs of the box: list, start, inspect, stop, rerun and compare them."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpubox.boxes.box import Box
from gpubox.boxes.jobs import wording
from gpubox.boxes.jobs.backend import queues
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.config.settings import Settings
from gpubox.core.record import Record
from gpubox.core.sample import Sample
from gpubox.ui.app_access import program
from gpubox.ui.draw.table import REVERSE, SORT, Table
from gpubox.ui.list_panel import ListPanel
from gpubox.ui.panels.jobs.actions import VERBS, JobActions
from gpubox.ui.panels.jobs.queue_window import QueueWindow
from gpubox.ui.panels.jobs.table import COLUMNS, JobRow, matches, summary
from gpubox.ui.poller import VisibleWatch, live, recorded
from gpubox.ui.widgets.list_filter import ListFilter
from gpubox.ui.widgets.titles import set_caption


class JobsPanel(ListPanel):
    """One list of all jobs: running ones first, then queued ones, then the newest."""

    NAME = "jobs"
    TITLE = "Jobs"
    ORDER = 8
    PLACE = "main"
    ROWS = 6
    OFFERED = ("open", "stop", "compare", "clear", *VERBS)
    HELP = """\
Programs that run on the box whether you are connected or not. `n` starts one, `enter` shows its log as it
grows. **BUSY** is what its GPUs (or the CPU, without one) did so far. `▶` runs, `◌` waits, `✔` ended with
exit code 0, `✖` did not, `■` was stopped. Mark two or more with `space` and compare them with `c`.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Log", id="jobs.open", tooltip="Show the job and its log as it grows"),
        Binding("n", "new", "New", id="jobs.new", tooltip="Start a job, or queue it"),
        Binding("x", "stop", "Stop", id="jobs.stop", tooltip="Stop the job, with all its processes; asks"),
        Binding("x", "remove", "Remove", id="jobs.remove", tooltip="Delete the record of an ended job; asks"),
        Binding(
            "space", "mark", "Mark", id="jobs.mark", tooltip="Choose it to compare or remove with others"
        ),
        Binding("c", "compare", "Compare", id="jobs.compare", tooltip="Put the marked jobs side by side"),
        Binding("R", "do('rerun')", "Run again", id="jobs.rerun", tooltip="Start it once more as it was"),
        Binding("E", "do('edit')", "Edit", id="jobs.edit", tooltip="Change it, and start it once more"),
        Binding(
            "g", "do('results')", "Results", id="jobs.results", tooltip="Look at its files, and fetch them"
        ),
        Binding("o", "do('folder')", "Folder", id="jobs.folder", tooltip="Open a shell in its folder"),
        Binding("p", "queue", "Queue", id="jobs.queue", tooltip="Show partitions and everybody's jobs"),
        Binding("slash", "filter", "Filter", id="jobs.filter", tooltip="Show only rows with these words"),
        replace(SORT, id="jobs.sort"),
        replace(REVERSE, id="jobs.reverse"),
        Binding("escape", "clear", "Clear", id="jobs.clear", tooltip="Show all rows; then unmark all"),
    ]

    def __init__(self, box: Box, settings: Settings) -> None:
        super().__init__(box, settings)
        self._jobs = box.use(Jobs)
        self._marked: set[str] = set()
        self._watching = VisibleWatch(self, self._jobs.watch)
        self._verbs = JobActions(self, box, settings)
        self._list: Table[JobRow] = Table(COLUMNS, lambda row: row.key, sort="state", empty="", id="list")
        self._words = ListFilter("words in name, command, env …", self._show, lambda: self._list)

    def compose(self) -> ComposeResult:
        """Compose the list and the filter's line."""
        yield self._list
        yield self._words

    def on_mount(self) -> None:
        """Follow the list, and poll more often while it is seen."""
        self._follow(self._jobs.feed)
        self._follow(self._jobs.trouble)
        self._follow(self.box.link.health)

    def _poll(self) -> None:
        self._watching.tick()

    def watch_sample(self, _sample: Sample | None) -> None:
        """Update the run times."""
        if self.is_mounted:
            self._show()

    @property
    def chosen(self) -> Record | None:
        """The job under the cursor."""
        return self._list.chosen.record if self._list.chosen is not None else None

    @property
    def marked(self) -> list[Record]:
        """The jobs that are marked, oldest first."""
        return [record for record in reversed(self._jobs.feed.value) if record.id in self._marked]

    @property
    def words(self) -> str:
        """The filter of the list."""
        return self._words.text

    def _show(self) -> None:
        if not self.seen:
            return
        records = self._jobs.feed.value
        seen = self.sample.time if self.sample is not None else None
        words = self._words.words
        nothing = "No job yet · n starts one"
        trouble = self._jobs.trouble.value
        empty = self._without_rows(nothing, known=self._jobs.looked, trouble=trouble)
        self._list.empty = "No job matches" if records else empty
        self._list.show(
            JobRow(record, record.id in self._marked, wording.now(record, seen))
            for record in records
            if not words or matches(record, words)
        )
        set_caption(self, summary(records, len(self.marked), self._list, self.words))
        self._offer()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        record = self.chosen
        match str(parameters[0]) if action == "do" else action:
            case "new":
                return not recorded(self)
            case "open" | "mark":
                return record is not None
            case "stop":
                return record is not None and wording.active(record)
            case "remove":
                return record is not None and not wording.active(record)
            case verb if verb in VERBS:
                return record is not None and self._verbs.can(verb, record)
            case "queue":
                return bool(queues(self._jobs.backends))
            case "compare":
                return len(self._marked) > 1
            case "clear":
                return bool(self._marked) or self._words.used
            case _:
                return True

    def on_table_chosen(self) -> None:
        """Update the keys for the row under the cursor."""
        self._offer()

    def on_table_opened(self) -> None:
        """Open the double-clicked job."""
        self.action_open()

    def opened_by_key(self, *, again: bool) -> None:
        """Poll now."""
        if again and live(self):
            self.attempt(self._jobs.look())

    def action_open(self) -> None:
        """Show the chosen job."""
        from gpubox.ui.panels.jobs.job_screen import JobScreen

        if (record := self.chosen) is not None:
            program(self).push_screen(JobScreen(self.box, self.settings, record))

    def action_new(self) -> None:
        """Ask for a job, and start it."""
        self.open_window(self._new)

    async def _new(self) -> None:
        if (record := await self._verbs.new()) is None:
            return
        self._come(record)
        if not self.has_pseudo_class("focus-within"):
            self.notify(f"{wording.state_sentence(record)} · j shows it", title=self.box.name, markup=False)

    def action_queue(self) -> None:
        """Show the partitions and everybody's jobs of the queues that the box has."""
        program(self).push_screen(QueueWindow(self.box))

    def action_do(self, verb: str) -> None:
        """Run an action of JobActions on the chosen job."""
        if (record := self.chosen) is not None:
            self.open_window(lambda: self._do(verb, record))

    async def _do(self, verb: str, record: Record) -> None:
        if (made := await self._verbs.do(verb, record)) is not None:
            self._come(made)

    def _come(self, record: Record) -> None:
        self._show()
        self._list.choose(record.id)

    def action_stop(self) -> None:
        """Stop the chosen job."""
        if (record := self.chosen) is not None:
            self.open_window(lambda: self._verbs.stop(record))

    def action_remove(self) -> None:
        """Remove the chosen job, or the marked jobs that have ended."""
        if (record := self.chosen) is not None:
            over = (one for one in self.marked if not wording.active(one))
            records = list(over) if record.id in self._marked else [record]
            self.open_window(lambda: self._remove(records))

    async def _remove(self, records: list[Record]) -> None:
        if await self._verbs.remove(records):
            self._marked -= {record.id for record in records}
            self._show()

    def action_mark(self) -> None:
        """Mark or unmark the chosen job, and move to the next."""
        if (record := self.chosen) is not None:
            self._marked ^= {record.id}
            self._list.action_move(1)
            self._show()

    def action_compare(self) -> None:
        """Compare the marked jobs."""
        from gpubox.ui.panels.jobs.compare_screen import CompareScreen

        program(self).push_screen(CompareScreen(self.box, self.marked))

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._list.sort_by_next()

    def action_reverse(self) -> None:
        """Sort the other way."""
        self._list.reverse()

    def action_filter(self) -> None:
        """Open the filter."""
        self._words.ask()

    @on(Table.Sorted)
    def _changed(self) -> None:
        self._show()

    def action_clear(self) -> None:
        """Drop the filter; without one, the marks."""
        if not self._words.shown:
            self._marked.clear()
        self._words.clear_words()
        self._show()
