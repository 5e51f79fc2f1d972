"""The processes on GPUs and the busiest of the host: sort, filter, group, inspect, signal."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpubox.boxes.box import Box
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.processes import SIGNALS, ProcessSignals
from gpubox.common import units
from gpubox.common.rules.driver import without_gpus
from gpubox.config.settings import Settings
from gpubox.core.job import Ignored
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sample import Process, Sample
from gpubox.core.sanitize import clean
from gpubox.ui.app_access import asker, program
from gpubox.ui.draw.table import REVERSE, SORT, Table
from gpubox.ui.modal_guard import window
from gpubox.ui.panel import Panel
from gpubox.ui.panels.processes import table as process_table
from gpubox.ui.panels.processes.signal_chooser import SignalChooser, let_pass
from gpubox.ui.panels.processes.table import TOTAL_COLUMNS, Totals, columns, draw_details, matches, totals
from gpubox.ui.poller import live
from gpubox.ui.widgets.details import Details
from gpubox.ui.widgets.list_filter import ListFilter
from gpubox.ui.widgets.titles import set_caption


class Processes(Panel):
    """A table of processes, or of the totals of each user.

    It draws each sample once and polls nothing, so it is no ListPanel, which draws once a second.
    """

    NAME = "processes"
    TITLE = "Processes"
    ORDER = 2
    PLACE = "main"
    ROWS = 7
    OFFERED = ("details", "signal", "ignore", "clear")
    HELP = """\
Who uses the GPUs, and the host's busiest processes. **TYPE** is C for compute, G for graphics, M for MPS;
**SM%** is the share of the GPU, **CPU%** that of one core. `□` marks a container.
Click on a title to sort by it, again to turn it round; `/` narrows the list while you type.
A signal is sent only after you chose it and said yes, and only if the process is still the same.
Queued jobs wait for a GPU with somebody's process on it, unless you tell them by `i` to ignore that process.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter", "details", "Details", id="processes.details", tooltip="Everything known of the process"
        ),
        Binding(
            "slash", "filter", "Filter", id="processes.filter", tooltip="Show only rows with these words"
        ),
        Binding(
            "x", "signal", "Signal", id="processes.signal", tooltip="Send the process a signal; asks before"
        ),
        Binding(
            "i",
            "ignore",
            "Ignore",
            id="processes.ignore",
            tooltip="Let jobs have the GPU that it is on; asks",
        ),
        replace(SORT, id="processes.sort"),
        replace(REVERSE, id="processes.reverse"),
        Binding(
            "g", "group", "By user", id="processes.group", tooltip="Add up what each user takes, and back"
        ),
        Binding("a", "all", "GPU only", id="processes.all", tooltip="Show processes on a GPU only, or all"),
        Binding("escape", "clear", "Clear filter", id="processes.clear", tooltip="Show all rows again"),
    ]

    def __init__(self, box: Box, settings: Settings) -> None:
        super().__init__(box, settings)
        self._gpu_only = False
        self._new = True
        """Whether no sample had GPUs or none yet: the first one decides the sort column."""
        self._list: Table[Process] = Table(
            columns(self._now), process_table.key, sort="gpu-mem", empty="No process", id="list"
        )
        self._totals: Table[Totals] = Table(
            TOTAL_COLUMNS, lambda one: one.user, sort="gpu-mem", empty="No process", id="totals"
        )
        self._words = ListFilter("words in user, command, env …", self._show, self._table)

    def compose(self) -> ComposeResult:
        """Compose both tables and the filter's line."""
        self._totals.display = False
        yield self._list
        yield self._totals
        yield self._words

    @property
    def grouped(self) -> bool:
        """Whether the totals by user are shown."""
        return self._totals.display

    @property
    def words(self) -> str:
        """The filter of the list."""
        return self._words.text

    @property
    def chosen(self) -> Process | None:
        """The process under the cursor, when single processes are shown."""
        return None if self.grouped else self._list.chosen

    def _now(self) -> float:
        return self.sample.time if self.sample else 0.0

    def watch_sample(self, sample: Sample | None) -> None:
        """Show the new sample."""
        if not self.is_mounted:
            return
        if self._new and sample is not None and (sample.gpus or sample.faults):
            self._new = False
            if without_gpus(sample):
                self._list.sort_by("cpu")
                self._totals.sort_by("cpu")
        self._show()

    def watch_gpu(self, gpu: int | None) -> None:
        """Show the processes on one GPU, or all."""
        self.entitle(f"on GPU {gpu} · 0 all" if gpu is not None else "")
        if self.is_mounted:
            self._show()

    def _show(self) -> None:
        listed = self.sample.processes if self.sample else ()
        words = self._words.words
        shown = [
            process
            for process in listed
            if (not self._gpu_only or process.gpu is not None)
            and self.gpu in (None, process.gpu)
            and (not words or matches(process, words))
        ]
        shown.sort(
            key=lambda process: -(process.cpu or 0.0)
        )  # decides among equals, such as those without a GPU
        empty = "No process matches" if listed else "No process is listed"
        self._list.empty = self._totals.empty = empty
        if self.grouped:
            self._totals.show(totals(shown))
        else:
            self._list.show(shown)
        self._say(len(shown), len(listed))

    def _say(self, shown: int, listed: int) -> None:
        table = self._table()
        name, falling = table.sort
        parts = [f"{shown} of {listed}" if shown != listed else str(listed)]
        parts += ["GPU only"] if self._gpu_only else []
        parts += [f"“{clean(self.words, 24)}”"] if self.words else []
        parts.append(f"by {table.column(name).heading.strip()} {'▼' if falling else '▲'}")
        set_caption(self, " · ".join(parts))
        self._offer()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        match action:
            case "details":
                return bool(self._table().shown)
            case "signal":
                return live(self) and self.chosen is not None
            case "ignore":
                return live(self) and self.chosen is not None and self.chosen.gpu is not None
            case "clear":
                return self._words.used
            case _:
                return True

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._table().sort_by_next()

    def action_reverse(self) -> None:
        """Sort the other way."""
        self._table().reverse()

    def on_table_sorted(self) -> None:
        """Show the sort column."""
        self._show()

    def action_all(self) -> None:
        """Toggle between all processes and those on a GPU."""
        self._gpu_only = not self._gpu_only
        self._show()

    def action_group(self) -> None:
        """Switch between single processes and totals by user."""
        grouped = not self.grouped
        self._totals.display = grouped
        self._list.display = not grouped
        self._show()
        self._table().focus(scroll_visible=False)

    def _table(self) -> Table[Process] | Table[Totals]:
        """Return the table that is shown."""
        return self._totals if self.grouped else self._list

    def action_filter(self) -> None:
        """Open the filter."""
        self._words.ask()

    def action_clear(self) -> None:
        """Drop the filter and go back to the list."""
        self._words.clear_words()

    def on_table_opened(self) -> None:
        """Open the details of the double-clicked row."""
        self.action_details()

    def action_details(self) -> None:
        """Open the details of a process, or the list of a user's processes."""
        if self.grouped:
            user = self._totals.chosen
            self.action_group()
            if user is not None:
                self._words.value = user.user
                self._words.keep()
            return
        process = self.chosen
        if process is None:
            return
        feed = self.box.sample
        window = Details(
            f"{process_table.program(process)} {process.pid}",
            feed,
            lambda width, height: draw_details(feed.value, process, width, height),
        )
        program(self).push_screen(window)

    def action_signal(self) -> None:
        """Choose a signal, ask, and send it."""
        process = self.chosen
        if process is not None:
            self.open_window(lambda: self._signal(process))

    def action_ignore(self) -> None:
        """Ask, then let jobs use the GPU despite the process."""
        process = self.chosen
        if process is not None:
            self.open_window(lambda: self._ignore(process))

    async def _ignore(self, process: Process) -> None:
        """Let jobs use the GPU despite a process, after a yes; raises what Jobs.ignore raises."""
        if await asker(self).ask(let_pass(self.box.name, process)) == "yes":
            await self.box.use(Jobs).ignore(Ignored(process.pid))
            self.notify(f"Jobs ignore {process.pid} {process_table.program(process)}", markup=False)

    async def _signal(self, process: Process) -> None:
        """Ask for the signal and a yes, then send it; raises what ProcessSignals.send raises."""
        about = f"{process.pid} {process_table.program(process)}"
        name = await window(self, SignalChooser(about))
        if name is None:
            return
        if await asker(self).ask(question(self.box.name, process, name, self._now())) != "yes":
            return
        await self.box.use(ProcessSignals).send(process, name)
        self.notify(f"Sent {name} to {about}", markup=False)


def question(box: str, process: Process, name: str, now: float) -> Question:
    """Return the question that names the process and the effect of the signal."""
    who = clean(process.user, 32) or "somebody"
    where = "" if process.gpu is None else f" on GPU {process.gpu}"
    since = "" if process.started is None else f", for {units.duration(now - process.started)} now"
    command = clean(process.command or process.name, 200)
    return Question(
        about=box,
        title=f"Send {name} to {process.pid} {process_table.program(process)}?",
        text=f"{command}\n\nRun by {who}{where}{since}.\n{name} {SIGNALS[name]}.",
        kind=QuestionKind.YES_NO,
        danger=name != "CONT",
    )
