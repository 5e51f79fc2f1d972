"""Graphs of the box over the last 1, 5, 15 or 60 minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from gpubox.boxes.box import Box
from gpubox.common.metrics import GPU, HOST, graphed
from gpubox.config.settings import Settings
from gpubox.core.sample import Gpu, Sample
from gpubox.ui.draw import trend
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.panel import Panel
from gpubox.ui.panels.gpus.gpu_status import short_name
from gpubox.ui.panels.history.graphs import Graph, View, draw_graphs, of_gpu, of_host
from gpubox.ui.widgets.titles import set_caption

SPANS = (1, 5, 15, 60)
"""Spans that can be shown, in minutes."""


class HistoryPanel(Panel):
    """Graphs of one GPU, or of the host."""

    NAME = "history"
    TITLE = "History"
    ORDER = 4
    PLACE = "side"
    ROWS = 8
    HELP = """\
Load, memory, temperature and power over time, for one GPU after the other and then for the host.
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
        self._lines = LineView(self._draw)

    def compose(self) -> ComposeResult:
        """Compose the graphs."""
        yield self._lines

    def on_mount(self) -> None:
        """Draw even while no sample comes in: a gap has to grow."""
        self.set_interval(1.0, self._tick)

    def _tick(self) -> None:
        if self.seen and abs(trend.now() - self._drawn_at) >= 1.5:
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
        if others or abs(trend.now() - self._drawn_at) >= 0.9:
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
        set_caption(self, f"{what} · {self.minutes} min")

    def _changed(self) -> None:
        self._say()
        self._lines.redraw()
        self.refresh_bindings()

    def _draw(self, width: int, height: int) -> Sequence[Line]:
        self._drawn_at = trend.now()
        interval = self.sample.interval if self.sample else 1.0
        view = View(self.box.history, self._drawn_at, 60 * self.minutes, trend.bridge(interval))
        return draw_graphs(self.graphs, view, width, height)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available now."""
        if action == "span":
            return 0 <= self._span + (1 if parameters == (1,) else -1) < len(SPANS)
        return True

    def action_subject(self, step: int) -> None:
        """Show the next or previous GPU; the host comes after the last."""
        count = len(self.sample.gpus) + 1 if self.sample else 1
        self._subject = (min(self._subject, count - 1) + step) % count
        self._changed()

    def action_span(self, step: int) -> None:
        """Show a longer or shorter span."""
        self._span = max(0, min(len(SPANS) - 1, self._span + step))
        self._changed()

    def action_view(self) -> None:
        """Show only the next metric; after the last, show all."""
        count = len(graphed(HOST if self.subject is None else GPU))
        place = -1 if self._metric is None else self._metric
        self._metric = None if place + 1 >= count else place + 1
        self._changed()
