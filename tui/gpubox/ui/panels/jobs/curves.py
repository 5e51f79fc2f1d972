"""The curves of one job: the load of its GPUs, or of the CPU without any, over its whole run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from gpubox.boxes.jobs.gpu_values import over_gpus
from gpubox.common import units
from gpubox.core.record import GpuTick, Record, Tick
from gpubox.ui.draw.spans import Line, Span, Tone, beside, length, spread
from gpubox.ui.draw.trend import trend

_GAP = 3
_BRIDGE = 2.0
"""Longest gap, in readings, that is filled."""
_MOST_GPUS = 2
"""Most GPUs with curves of their own; more are averaged."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One series of a job, or of each of several jobs."""

    name: str
    value: Callable[[Tick], float | None]
    say: Callable[[float | None], str]
    tone: Tone
    top: float = 0.0
    """The value at full height; 0 takes the largest value that is drawn."""


def curves(record: Record, ticks: Sequence[Tick]) -> list[Curve]:
    """Return the curves of a job."""
    uuids = list(dict.fromkeys(gpu.uuid for tick in ticks for gpu in tick.gpus))
    total = max((gpu.memory_total or 0 for gpu in record.gpus), default=0)
    if not uuids:
        return [
            Curve("CPU", lambda tick: tick.cpu, units.percent, "util"),
            Curve("memory", lambda tick: tick.rss, units.size, "memory"),
        ]
    names = {gpu.uuid: f"GPU {gpu.index}" if gpu.index >= 0 else "GPU" for gpu in record.gpus}
    groups = [(uuid,) for uuid in uuids] if len(uuids) <= _MOST_GPUS else [tuple(uuids)]
    out: list[Curve] = []
    for group in groups:
        name = names.get(group[0], "GPU") if len(group) == 1 else f"{len(group)} GPUs"
        out += [
            Curve(f"{name} util", gpu_value(lambda gpu: gpu.util, uuids=group), units.percent, "util", 100.0),
            Curve("memory", gpu_value(lambda gpu: gpu.memory, uuids=group), units.size, "memory", total),
            Curve("power", gpu_value(lambda gpu: gpu.power, uuids=group), units.watts, "calm"),
        ]
    return out


def gpu_value(
    of: Callable[[GpuTick], float | None],
    join: Callable[[list[float]], float] = fmean,
    uuids: Sequence[str] = (),
) -> Callable[[Tick], float | None]:
    """Return what reads a value of a tick's GPUs, joined; of those with `uuids` only, if there are any."""
    return lambda tick: over_gpus([gpu for gpu in tick.gpus if not uuids or gpu.uuid in uuids], of, join)


def _until(tick: Tick, after: Tick | None) -> float:
    """Return the end of the time that a reading covers: readings are not exactly a second apart."""
    end = tick.t + tick.width
    near = after is not None and after.t - end < _BRIDGE * max(tick.width, after.width)
    return after.t if after is not None and near else end


def end_of(ticks: Sequence[Tick]) -> float:
    """Return the seconds of a job that its ticks cover, from its start."""
    return ticks[-1].t + ticks[-1].width if ticks else 0.0


def _dot(seconds: float, span: float, dots: int) -> int:
    """Return the dot of a time, `dots` beyond the span; time may go backwards: a clock was set."""
    return int(min(max(seconds / span * dots, 0.0), dots))


def resampled(
    ticks: Sequence[Tick], value: Callable[[Tick], float | None], begin: float, span: float, dots: int
) -> list[float | None]:
    """Return exactly `dots` means over `span` seconds from `begin`.

    Gaps stay open, and short times are stretched.
    """
    if not ticks or dots <= 0:
        return [None] * max(0, dots)  # a job that ended at once has no readings
    sums, counts = [0.0] * dots, [0] * dots
    for tick, after in zip(ticks, [*ticks[1:], None], strict=True):
        found = value(tick)
        if found is None:
            continue
        first = _dot(tick.t - begin, span, dots)
        end = _dot(_until(tick, after) - begin, span, dots)
        for dot in range(first, min(dots, max(first + 1, end))):
            sums[dot] += found
            counts[dot] += 1
    return [total / count if count else None for total, count in zip(sums, counts, strict=True)]


def draw_curves(record: Record, ticks: Sequence[Tick], width: int, height: int) -> list[Line]:
    """Return the curves side by side: in one line each, or with a title above if there is space."""
    if not ticks or height <= 0:
        over = "it ended before there was a reading to draw" if record.ending is not None else ""
        words = "" if record.state == "queued" else over or "no curve yet"
        return [(Span(words, "faint"),)]
    drawn = curves(record, ticks)
    per_row = 3 if drawn[0].top else 2
    rows = [drawn[place : place + per_row] for place in range(0, len(drawn), per_row)]
    rows = rows[: max(1, height // 3)] if height >= 3 else rows[:height]
    out: list[Line] = []
    for number, row in enumerate(rows):
        high = height // len(rows) + (1 if number < height % len(rows) else 0)
        part = (width - _GAP * (len(row) - 1)) // len(row)
        out += beside([(_curve(curve, ticks, part, high), part) for curve in row], gap=_GAP)
    return out[:height]


def _curve(curve: Curve, ticks: Sequence[Tick], width: int, height: int) -> list[Line]:
    newest = next((found for tick in reversed(ticks) if (found := curve.value(tick)) is not None), None)
    title: Line = (Span(f"{curve.name} ", "muted"), Span(curve.say(newest), "title"))
    inline = height < 2
    cells = max(1, width - length(title) - 1) if inline else width
    begin = ticks[0].t
    values = resampled(ticks, curve.value, begin, max(1.0, end_of(ticks) - begin), 2 * cells)
    seen = [value for value in values if value is not None]
    top = curve.top or max(seen, default=1.0)
    lines = trend(values, 1 if inline else height - 1, 0, top, curve.tone)
    if inline:
        return [(*title, Span(" "), *lines[0])]
    right = f"mean {curve.say(sum(seen) / len(seen))}  max {curve.say(max(seen))}" if seen else ""
    return [spread(title, (Span(right, "muted"),) if width >= 36 else (), width), *lines]
