"""Graphs of one GPU or the host over a span of time, with scale, mean and maximum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gpubox.common import units
from gpubox.common.metrics import GPU, HOST, Metric, graphed
from gpubox.common.series import gpu_key, host_key
from gpubox.config.settings import Settings
from gpubox.core.history import History
from gpubox.core.sample import Gpu
from gpubox.ui.draw.spans import Line, Span, Tone, beside, spread
from gpubox.ui.draw.trend import Toning, bridge, series, trend
from gpubox.ui.severity import level

if TYPE_CHECKING:  # SQLite, which the first paint does without
    from gpubox.common.tiers import HistorySpan

_SCALE = 6
"""Cells of the scale beside a graph."""
_BROAD = 100
"""Cells from which graphs are in two columns."""
_FULL = 100.0
"""Top of the scale of a share."""
_HOT = 100.0
"""Lowest top of the temperature scale, in degrees Celsius."""
_LEAST = 3
"""Lines that a graph needs, its title included."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One series to draw."""

    metric: Metric
    key: str
    top: float
    """The value at full height; 0 takes it from the readings."""
    tone: Tone | Toning
    temperature_unit: str = "celsius"

    def say(self, value: float | None) -> str:
        """Format a reading with its unit."""
        return self.metric.show(value, self.temperature_unit)


@dataclass(frozen=True, slots=True)
class View:
    """The history and the span of time that are shown."""

    live: History
    now: float
    seconds: int
    interval: float
    """Seconds between two readings."""
    past: HistorySpan | None = None
    """What is drawn instead, for a span that `live` does not have."""

    def values(self, key: str, dots: int) -> list[float | None]:
        """Return the readings of a series over the span, with a gap where there were none."""
        if self.past is None:
            return series(self.live, key, self.now, self.seconds, dots, bridge(self.interval))
        return series(self.past, key, self.now, self.seconds, dots, bridge(self.past.width))

    def newest(self, key: str) -> float | None:
        """Return the reading of now; a dot of the graph may stand for hours."""
        return series(self.live, key, self.now, 4, 4, bridge(self.interval))[-1]


def of_gpu(gpu: Gpu, settings: Settings) -> list[Graph]:
    """Return the graphs of a GPU."""
    limits = settings.limits.for_gpu(gpu)
    uuid = gpu.uuid or str(gpu.index)
    tops = {"temperature": max(_HOT, limits.temperature[1]), "power": gpu.power_limit or 0.0}
    tones: dict[str, Tone | Toning] = {
        "util": "util",
        "memory": partial(level, limits=limits.memory, calm="memory"),
        "temperature": partial(level, limits=limits.temperature),
    }
    return [
        Graph(
            metric,
            gpu_key(uuid, metric.name),
            tops.get(metric.name, _FULL),
            tones.get(metric.name, "calm"),
            limits.temperature_unit,
        )
        for metric in graphed(GPU)
    ]


def of_host(settings: Settings) -> list[Graph]:
    """Return the graphs of the host."""
    tones: dict[str, Tone | Toning] = {
        "cpu": "util",
        "memory": partial(level, limits=settings.limits.host_memory, calm="memory"),
    }
    return [
        Graph(metric, host_key(metric.name), _FULL, tones.get(metric.name, "calm"))
        for metric in graphed(HOST)
    ]


def draw_graphs(graphs: Sequence[Graph], view: View, width: int, height: int) -> list[Line]:
    """Return as many of the graphs as fit, in one or two columns, with a time axis below."""
    columns = 2 if width >= _BROAD and len(graphs) > 1 else 1
    gap = 3
    part = (width - gap * (columns - 1)) // columns
    room = max(1, height - 1)
    rows = max(1, min(-(-len(graphs) // columns), room // _LEAST))
    out: list[Line] = []
    for row in range(rows):
        high = room // rows + (1 if row < room % rows else 0)
        here = graphs[row * columns : (row + 1) * columns]
        out += beside([(_graph(graph, view, part, high), part) for graph in here], gap=gap)
    axes = [((_axis(view, part),), part)] * columns
    return [*out, *beside(axes, gap=gap)][:height]


def _graph(graph: Graph, view: View, width: int, height: int) -> list[Line]:
    cells = max(1, width - _SCALE)
    values = view.values(graph.key, 2 * cells)
    seen = [value for value in values if value is not None]
    top = graph.top or _round_up(max(seen, default=1.0))
    lines = trend(values, height - 1, 0, top, graph.tone)
    scale = ["" for _ in lines]
    if lines:
        scale[0] = graph.say(top)
        if len(lines) > 1:
            scale[-1] = "0"
    body = [(*line, Span(f" {mark}", "faint")) for line, mark in zip(lines, scale, strict=True)]
    return [_title(graph, view, seen, width), *body]


def _title(graph: Graph, view: View, seen: Sequence[float], width: int) -> Line:
    left = (Span(f"{graph.metric.name:<12}", "muted"), Span(graph.say(view.newest(graph.key)), "title"))
    if not seen:
        return spread(left, (Span("nothing seen" + " " * _SCALE, "faint"),), width)
    mean, most = sum(seen) / len(seen), max(seen)
    right = (Span(f"mean {graph.say(mean):>5}  max {graph.say(most):>5}" + " " * _SCALE, "muted"),)
    return spread(left, right, width) if width >= 52 else spread(left, (), width)


def _round_up(value: float) -> float:
    """Return a round number at or above a value, as the top of a scale without a fixed one."""
    step = 10.0
    while step * 10 < value:
        step *= 10
    return max(step, -(-value // step) * step)


def _axis(view: View, width: int) -> Line:
    first = Span(f"{units.duration(view.seconds).partition(' 0')[0]} ago", "faint")
    return spread((first,), (Span("now" + " " * _SCALE, "faint"),), width)
