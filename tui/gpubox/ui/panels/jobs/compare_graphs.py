"""Curves of several jobs, one below the other on a common time axis."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.common import units
from gpubox.core.record import Tick
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Line, Span, cut, length, spread
from gpubox.ui.draw.trend import trend
from gpubox.ui.panels.jobs.curves import Curve, end_of, gpu_value, resampled

KINDS = (
    Curve("GPU use", gpu_value(lambda gpu: gpu.util), units.percent, "util", 100.0),
    Curve("CPU use", lambda tick: tick.cpu, units.percent, "util"),
    Curve("memory", lambda tick: tick.rss, units.size, "memory"),
    Curve("GPU memory", gpu_value(lambda gpu: gpu.memory, sum), units.size, "memory"),
    Curve("GPU power", gpu_value(lambda gpu: gpu.power, sum), units.watts, "calm"),
)
"""All kinds, in the order of choice."""


def kinds(jobs: Sequence[Sequence[Tick]]) -> list[Curve]:
    """Return the kinds for which at least one job has values."""
    return [kind for kind in KINDS if any(kind.value(tick) is not None for ticks in jobs for tick in ticks)]


def span_of(jobs: Sequence[Sequence[Tick]]) -> float:
    """Return the seconds of the longest job, at least 1."""
    return max([1.0, *map(end_of, jobs)])


def draw_graphs(
    labels: Sequence[str], jobs: Sequence[Sequence[Tick]], kind: Curve | None, width: int, height: int
) -> list[Line]:
    """Return the curves of all jobs, each with its name, above their common axis."""
    if kind is None or height < 2:
        return [(Span("No job has a curve of that", "faint"),)] if height > 0 else []
    span = span_of(jobs)
    names = max((length((Span(clean(label, 24)),)) for label in labels), default=0)
    cells = max(4, width - names - 1)
    series = [resampled(ticks, kind.value, 0.0, span, 2 * cells) for ticks in jobs]
    seen = [value for values in series for value in values if value is not None]
    top = kind.top or max(seen, default=1.0) or 1.0
    high = max(1, min(6, (height - 2) // max(1, len(jobs))))
    title = (Span(f"{kind.name} ", "title"), Span(f"full height is {kind.say(top)}", "muted"))
    out: list[Line] = [title]
    for label, values in zip(labels, series, strict=True):
        for row, line in enumerate(trend(values, high, 0, top, kind.tone)):
            name = f"{cut(clean(label, 24), names) if not row else '':<{names}} "
            out.append((Span(name, "muted"), *line))
    axis = spread((Span("0s", "muted"),), (Span(units.duration(span), "muted"),), cells)
    return [*out, (Span(" " * (names + 1)), *axis)]
