"""Graphs of the box over the last minutes, from memory, and over the last hours and days, from the disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpubox.boxes.box import Box
from gpubox.common.metrics import GPU, HOST, graphed
from gpubox.config.settings import Settings
from gpubox.core.history import SPAN
from gpubox.core.sample import Gpu, Sample
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line, Span
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panel import Panel
from gpubox.ui.panels.gpus.gpu_status import short_name
from gpubox.ui.panels.history.graphs import Graph, View, draw_graphs, of_gpu, of_host
from gpubox.ui.widgets.titles import set_caption

if TYPE_CHECKING:  # SQLite, which the first paint does without
    from gpubox.common.tiers import HistorySpan

SPANS = (1, 5, 15, 60, 6 * 60, 24 * 60, 7 * 24 * 60, 30 * 24 * 60)
"""Spans that can be shown, in minutes."""
_AGAIN = (10, 500)
"""The disk is read again after these seconds, or this part of the span where that is longer."""


class HistoryPanel(Panel):
    """Graphs of one GPU, or of the host."""

    NAME = "history"
    TITLE = "History"
    ORDER = 4
    PLACE = "side"
    ROWS = 8
    HELP = """\
Load, memory, temperature and power over time, for one GPU after the other and then for the host.
Spans beyond an hour come from this machine's disk, as means of up to an hour.
`┈` marks a time without readings: the link was down, or this program did not run.
`c` shows one reading alone, then the next.
"""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left", "subject(-1)", "Previous GPU", id="history.previous", tooltip="The GPU before", show=False
        ),
        Binding("right", "subject(1)", "Next GPU", id="history.next", tooltip="The next GPU, then the host"),
        Binding(
            "minus,left_square_bracket", "span(-1)", "Shorter", id="history.shorter", tooltip="Less time"
        ),
        Binding(
            "plus,equals_sign,right_square_bracket",
            "span(1)",
            "Longer",
            id="history.longer",
            tooltip="More time",
        ),
        Binding("c", "view", "View", id="history.view", tooltip="One reading alone, then the next, then all"),
    ]

    def __init__(self, box: Box, settings: Settings) -> None:
        super().__init__(box, settings)
        self._subject = 0
        self._span = SPANS.index(settings.ui.history_minutes)
        self._drawn_at = 0.0
        self._metric: int | None = None
        self._past: tuple[int, float, HistorySpan | None] | None = None
        """The span in minutes that was read from the disk, when, and what came of it."""
        self._lines = LineView(self._draw)

    def compose(self) -> ComposeResult:
        """Compose the graphs."""
        yield self._lines

    def on_mount(self) -> None:
        """Draw even while no sample comes in: a gap has to grow."""
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        if not self.seen:
            return
        self._read_past()
        if abs(self.box.now() - self._drawn_at) >= 1.5:
            self._lines.redraw()

    def _read_past(self) -> None:
        """Read the span from the disk, if it is longer than memory goes back, and not just read."""
        if 60 * self.minutes <= SPAN:
            return
        again = max(_AGAIN[0], 60 * self.minutes / _AGAIN[1])
        if self._past is None or self._past[0] != self.minutes or self.box.now() - self._past[1] >= again:
            self.run_worker(guarded(self, self._load(self.minutes)), group="past", exit_on_error=False)

    async def _load(self, minutes: int) -> None:
        now = self.box.now()
        earlier = self._past[2] if self._past is not None and self._past[0] == minutes else None
        self._past = (minutes, now, earlier)  # so that it is not read twice at a time
        found = await self.box.past(now - 60 * minutes, now)
        if self.minutes == minutes:
            self._past = (minutes, now, found or earlier)
            self._lines.redraw()

    @property
    def minutes(self) -> int:
        """The shown span."""
        return SPANS[self._span]

    @property
    def subject(self) -> Gpu | None:
        """The shown GPU; None for the host."""
        gpus = self.sample.gpus if self.sample else ()
        return gpus[self._subject] if self._subject < len(gpus) else None

    @property
    def graphs(self) -> list[Graph]:
        """The drawn graphs."""
        gpu = self.subject
        graphs = of_host(self.settings) if gpu is None else of_gpu(gpu, self.settings)
        return graphs if self._metric is None else [graphs[self._metric % len(graphs)]]

    def watch_sample(self, old: Sample | None, new: Sample | None) -> None:
        """Draw with a new sample, but at most once a second.

        Drawing together with the other panels halves the cost: each repaint walks the whole screen.
        """
        if not self.is_mounted:
            return
        if old is None:  # it was hidden when a GPU was chosen
            self.watch_gpu(self.gpu)
        self._say()
        others = old is None or new is None or len(old.gpus) != len(new.gpus)
        if others or abs(self.box.now() - self._drawn_at) >= 0.9:
            self._lines.redraw()

    def watch_gpu(self, gpu: int | None) -> None:
        """Show the chosen GPU."""
        indexes = [one.index for one in self.sample.gpus] if self.sample else []
        if gpu in indexes:
            self._subject = indexes.index(gpu)
            self._changed()

    def _say(self) -> None:
        gpu = self.subject
        what = "host" if gpu is None else f"GPU {gpu.index} {short_name(gpu)}"
        set_caption(self, f"{what} · {_said(self.minutes)}")

    def _changed(self) -> None:
        self._say()
        self._read_past()
        self._lines.redraw()
        self.refresh_bindings()

    def _draw(self, width: int, height: int) -> Sequence[Line]:
        self._drawn_at = self.box.now()
        interval = self.sample.interval if self.sample else 1.0
        past = self._past[2] if self._past is not None and self._past[0] == self.minutes else None
        if past is None and 60 * self.minutes > SPAN:
            return [(Span("The disk of this machine has not given the history yet", "faint"),)]
        view = View(self.box.history, self._drawn_at, 60 * self.minutes, interval, past)
        return draw_graphs(self.graphs, view, width, height)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        if action == "span":
            return 0 <= self._span + (1 if parameters == (1,) else -1) < self._longest
        return True

    @property
    def _longest(self) -> int:
        """The number of spans that can be shown: without a store only those in memory."""
        return len(SPANS) if self.box.context.store is not None else SPANS.index(SPAN // 60) + 1

    def action_subject(self, step: int) -> None:
        """Show the next or previous GPU; the host comes after the last."""
        count = len(self.sample.gpus) + 1 if self.sample else 1
        self._subject = (min(self._subject, count - 1) + step) % count
        self._changed()

    def action_span(self, step: int) -> None:
        """Show a longer or shorter span."""
        self._span = max(0, min(self._longest - 1, self._span + step))
        self._changed()

    def action_view(self) -> None:
        """Show only the next metric; after the last, show all."""
        count = len(graphed(HOST if self.subject is None else GPU))
        place = -1 if self._metric is None else self._metric
        self._metric = None if place + 1 >= count else place + 1
        self._changed()


def _said(minutes: int) -> str:
    """Return a span in its unit: `5 min`, `6 h`, `7 d`."""
    if minutes <= 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes <= 24 * 60 else f"{minutes // (24 * 60)} d"
