"""Curves of several jobs, one below the other on a common time axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpubox.common import units
from gpubox.core.record import GpuTick, Tick
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import Line, Span, Tone, cut, length, spread
from gpubox.ui.draw.trend import trend
from gpubox.ui.panels.jobs.curves import until


@dataclass(frozen=True, slots=True)
class CurveKind:
    """A kind of curve that is drawn for each job."""

    name: str
    value: Callable[[Tick], float | None]
    say: Callable[[float | None], str]
    tone: Tone
    top: float = 0.0
    """The value at full height; 0 takes the largest value of all jobs."""


def _mean(of: Callable[[GpuTick], float | None]) -> Callable[[Tick], float | None]:
    def value(tick: Tick) -> float | None:
        seen = [found for gpu in tick.gpus if (found := of(gpu)) is not None]
        return sum(seen) / len(seen) if seen else None

    return value


def _sum(of: Callable[[GpuTick], float | None]) -> Callable[[Tick], float | None]:
    def value(tick: Tick) -> float | None:
        seen = [found for gpu in tick.gpus if (found := of(gpu)) is not None]
        return sum(seen) if seen else None

    return value


KINDS = (
    CurveKind("GPU use", _mean(lambda gpu: gpu.util), units.percent, "util", 100.0),
    CurveKind("CPU use", lambda tick: tick.cpu, units.percent, "util"),
    CurveKind("memory", lambda tick: tick.rss, units.size, "memory"),
    CurveKind("GPU memory", _sum(lambda gpu: gpu.memory), units.size, "memory"),
    CurveKind("GPU power", _sum(lambda gpu: gpu.power), units.watts, "calm"),
)
"""All kinds, in the order of choice."""


def kinds(jobs: Sequence[Sequence[Tick]]) -> list[CurveKind]:
    """Return the kinds for which at least one job has values."""
    return [kind for kind in KINDS if any(kind.value(tick) is not None for ticks in jobs for tick in ticks)]


def span_of(jobs: Sequence[Sequence[Tick]]) -> float:
    """Return the seconds of the longest job, at least 1."""
    longest = max((ticks[-1].t + ticks[-1].width for ticks in jobs if ticks), default=1.0)
    return longest if longest > 0 else 1.0


def on_axis(
    ticks: Sequence[Tick], value: Callable[[Tick], float | None], span: float, dots: int
) -> list[float | None]:
    """Return exactly `dots` means over `span` seconds from the job's start; None where it had ended."""
    if not ticks or dots <= 0:
        return [None] * max(0, dots)  # a job that ended at once has no readings
    sums, counts = [0.0] * dots, [0] * dots
    for tick, after in zip(ticks, [*ticks[1:], None], strict=True):
        found = value(tick)
        if found is None:
            continue
        begin = int(tick.t / span * dots)
        end = max(begin + 1, int(until(tick, after) / span * dots))
        for dot in range(max(0, begin), min(dots, end)):
            sums[dot] += found
            counts[dot] += 1
    return [total / count if count else None for total, count in zip(sums, counts, strict=True)]


def draw_graphs(
    labels: Sequence[str], jobs: Sequence[Sequence[Tick]], kind: CurveKind | None, width: int, height: int
) -> list[Line]:
    """Return the curves of all jobs, each with its name, above their common axis."""
    if kind is None or height < 2:
        return [(Span("No job has a curve of that", "faint"),)] if height > 0 else []
    span = span_of(jobs)
    names = max((length((Span(clean(label, 24)),)) for label in labels), default=0)
    cells = max(4, width - names - 1)
    series = [on_axis(ticks, kind.value, span, 2 * cells) for ticks in jobs]
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
