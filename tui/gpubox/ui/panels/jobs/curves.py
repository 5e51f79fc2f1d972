"""The curves of one job: the load of its GPUs, or of the CPU without any, over its whole run time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    """One series of a job."""

    name: str
    value: Callable[[Tick], float | None]
    say: Callable[[float | None], str]
    tone: Tone
    top: float = 0.0
    """The value at full height; 0 takes the largest value."""


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
            Curve(f"{name} util", _mean(group, lambda gpu: gpu.util), units.percent, "util", 100.0),
            Curve("memory", _mean(group, lambda gpu: gpu.memory), units.size, "memory", total),
            Curve("power", _mean(group, lambda gpu: gpu.power), units.watts, "calm"),
        ]
    return out


def _mean(uuids: Sequence[str], of: Callable[[GpuTick], float | None]) -> Callable[[Tick], float | None]:
    def value(tick: Tick) -> float | None:
        seen = [found for gpu in tick.gpus if gpu.uuid in uuids and (found := of(gpu)) is not None]
        return sum(seen) / len(seen) if seen else None

    return value


def until(tick: Tick, after: Tick | None) -> float:
    """Return the end of the time that a reading covers: readings are not exactly a second apart."""
    end = tick.t + tick.width
    near = after is not None and after.t - end < _BRIDGE * max(tick.width, after.width)
    return after.t if after is not None and near else end


def resampled(ticks: Sequence[Tick], value: Callable[[Tick], float | None], dots: int) -> list[float | None]:
    """Return exactly `dots` means over the time of all ticks; gaps stay open, short times are stretched."""
    if not ticks or dots <= 0:
        return [None] * max(0, dots)
    first = ticks[0].t
    span = max(1.0, ticks[-1].t + ticks[-1].width - first)
    sums, counts = [0.0] * dots, [0] * dots
    for tick, after in zip(ticks, [*ticks[1:], None], strict=True):
        found = value(tick)
        if found is None:
            continue
        begin = max(0, int((tick.t - first) / span * dots))  # time may go backwards: a clock was set
        end = int((until(tick, after) - first) / span * dots)
        for dot in range(begin, min(dots, max(begin + 1, end))):
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
    values = resampled(ticks, curve.value, 2 * cells)
    seen = [value for value in values if value is not None]
    top = curve.top or max(seen, default=1.0)
    lines = trend(values, 1 if inline else height - 1, 0, top, curve.tone)
    if inline:
        return [(*title, Span(" "), *lines[0])]
    right = f"mean {curve.say(sum(seen) / len(seen))}  max {curve.say(max(seen))}" if seen else ""
    return [spread(title, (Span(right, "muted"),) if width >= 36 else (), width), *lines]
