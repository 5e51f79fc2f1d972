"""One GPU as a card of lines, as detailed as the space allows."""

from __future__ import annotations

from dataclasses import dataclass

from gpubox.common import units
from gpubox.common.metrics import GPU
from gpubox.common.rules.rule import Limits
from gpubox.common.rules.table import judge
from gpubox.common.series import gpu_key
from gpubox.core.history import History
from gpubox.core.sample import Gpu, MigInstance, memory_share
from gpubox.core.sanitize import clean
from gpubox.ui.draw.meter import meter
from gpubox.ui.draw.spans import EMPTY, SIGNS, Line, Span, Tone, beside, fit, joined, spread, wrapped
from gpubox.ui.draw.trend import BRIDGE_SECONDS, captioned, series, trend
from gpubox.ui.panels.gpus.gpu_status import (
    clocks,
    failed,
    marks,
    pcie,
    short_name,
    tags,
    why,
)
from gpubox.ui.severity import level, signed

LEAST = 3
"""Fewest lines of a card."""
RICH = 6
"""Lines from which a card shows five meters beside two graphs."""
MOST = 10
"""Most lines of a card: more would show nothing else."""
_GRAPH = 12
"""Fewest cells of a graph."""


@dataclass(frozen=True, slots=True)
class Card:
    """The data of a card."""

    gpu: Gpu
    limits: Limits
    """The GPU's own limits, from `Limits.for_gpu`."""
    history: History
    now: float
    """Seconds since the epoch, as history counts them."""
    seconds: int
    """Span of the graphs."""
    bridge: float = BRIDGE_SECONDS
    """Seconds without a reading that are no gap yet."""
    chosen: bool = False


def card(of: Card, width: int, height: int) -> list[Line]:
    """Return exactly `height` lines of exactly `width` cells."""
    gutter = Span("▌" if of.chosen else " ", "accent" if of.chosen else "faint")
    inner = width - 2
    gpu = of.gpu
    if gpu.lost_at is not None or (gpu.fault is not None and gpu.util is None):
        lines = [_lost_head(of, inner), *_lost_body(of, inner, height - 1)]
    elif height >= RICH:
        lines = [_head(of, inner), *_rich(of, inner, height - 1)]
    else:
        lines = [_head(of, inner), *_compact(of, inner, height - 1)]
    lines = [*lines[:height], *([EMPTY] * (height - len(lines)))]
    return [(gutter, *fit(line, inner), Span(" ")) for line in lines]


def _title(of: Card) -> Line:
    label = (Span("  SIMULATED", "label"),) if of.gpu.simulated else ()
    return (Span(f"{of.gpu.index} ", "accent"), Span(short_name(of.gpu), "title"), *label, Span("  "))


def _head(of: Card, width: int) -> Line:
    gpu = of.gpu
    title = _title(of)
    room = max(width * 2 // 5, width - sum(len(span.text) for span in title) - 2)
    said = [*map(signed, marks(judge(GPU, gpu, of.limits))), *tags(gpu)]
    if gpu.pstate is not None:
        said.append(
            Span(f"P{gpu.pstate}", "muted", "", "performance state: P0 is the fastest, P8 and up idle")
        )
    if _clock_in_head(width) and gpu.clock_sm is not None:
        said.append(Span(clocks(gpu.clock_sm, gpu.clock_sm_max), "muted", "", "SM clock now and at most"))
    return spread(title, joined(said, room, " · "), width)


def _clock_in_head(width: int) -> bool:
    return width >= 72


def _meters(of: Card) -> dict[str, tuple[float | None, str, Tone, str]]:
    """Return share, value, tone and note of each meter."""
    gpu, limits = of.gpu, of.limits
    used = f"{units.size(gpu.memory_used)}/{units.size(gpu.memory_total)}"
    hottest = limits.temperature[1]
    heat = _share(gpu.temperature, hottest)
    degrees = units.temperature(gpu.temperature, limits.temperature_unit)
    if gpu.temperature is not None and gpu.temperature_slowdown:
        degrees = f"{degrees[:-2]}/{units.temperature(gpu.temperature_slowdown, limits.temperature_unit)}"
    power = units.watts(gpu.power)
    if gpu.power is not None and gpu.power_limit:
        power = f"{gpu.power:.0f}/{gpu.power_limit:.0f}W"
    found: dict[str, tuple[float | None, str, Tone]] = {
        "util": (gpu.util, units.percent(gpu.util), "util"),
        "memory": (
            memory_share(gpu.memory_used, gpu.memory_total),
            units.DASH if gpu.memory_used is None else used,
            level(memory_share(gpu.memory_used, gpu.memory_total), limits.memory, "memory"),
        ),
        "temperature": (heat, degrees, level(gpu.temperature, limits.temperature)),
        "power": (_share(gpu.power, gpu.power_limit), power, "calm"),
        "fan": (gpu.fan, units.percent(gpu.fan), "calm"),
    }
    return {
        name: (share, value, tone, why(gpu, _FIELDS[name]) if value == units.DASH else "")
        for name, (share, value, tone) in found.items()
    }


_FIELDS = {
    "util": "util",
    "memory": "memory_used",
    "temperature": "temperature",
    "power": "power",
    "fan": "fan",
}
_LABELS: dict[str, str] = {
    "util": "util",
    "memory": "mem",
    "temperature": "temp",
    "power": "power",
    "fan": "fan",
}


def _share(now: float | None, most: float | None) -> float | None:
    return None if now is None or not most else 100 * now / most


def _row(of: Card, name: str, width: int, value_width: int = 11) -> Line:
    share, value, tone, note = _meters(of)[name]
    return meter(_LABELS[name], share, value, width, tone, label_width=6, value_width=value_width, note=note)


def _graph(of: Card, name: str, width: int, height: int, caption: str = "") -> list[Line]:
    gpu = of.gpu
    key = gpu_key(gpu.uuid or str(gpu.index), name)
    values = series(of.history, key, of.now, of.seconds, 2 * width, of.bridge)
    if name == "memory":
        limits = of.limits.memory
        return captioned(trend(values, height, 0, 100, lambda value: level(value, limits, "memory")), caption)
    return captioned(trend(values, height, 0, 100, "util"), caption)


def _left_width(width: int) -> int:
    """Return the cells of the meters' column, or all of them where a graph has no room."""
    left = max(36, min(52, width * 9 // 20))
    return left if width - left - 2 >= _GRAPH else width


def _compact(of: Card, width: int, height: int) -> list[Line]:
    """Return two meters with a line of history each, then whatever else fits."""
    left = _left_width(width)
    graph = width - left - 2
    lines: list[Line] = []
    for name in ("util", "memory"):
        row = _row(of, name, left)
        lines += beside([((row,), left), (_graph(of, name, graph, 1), graph)]) if graph > 0 else [row]
    if height >= 3:
        lines.append(_trio(of, width))
    if height >= 4:
        lines += _small_print(of, width, width, 1)
    return lines if height >= 2 else lines[:1]


def _trio(of: Card, width: int) -> Line:
    """Return temperature, power and fan on one line."""
    values = _meters(of)
    if width < 66:
        spans: list[Span] = []
        for name in _THREE:
            _, value, tone, note = values[name]
            sign = SIGNS.get(tone, "")
            spans += [
                Span(f"{_LABELS[name]} ", "muted"),
                Span(value + sign, tone if sign else "text", "", note),
                Span("  "),
            ]
        return tuple(spans)
    third = (width - 4) // 3
    widths = (third, third, width - 4 - 2 * third)
    rows = [((_row(of, name, part, 8),), part) for name, part in zip(_THREE, widths, strict=True)]
    return beside(rows)[0]


_THREE = ("temperature", "power", "fan")


def _rich(of: Card, width: int, height: int) -> list[Line]:
    """Return five meters with the graphs beside them."""
    left = _left_width(width)
    rows = [_row(of, name, left) for name in ("util", "memory", "temperature", "power", "fan")]
    rows += [_slice(of, instance, left) for instance in of.gpu.mig_instances]
    rows += _small_print(of, left, width, height - len(rows))
    room = width - left - 2
    if room < _GRAPH:
        return rows[:height]
    if of.gpu.util is None:
        graphs = _graph(of, "memory", room, height, "memory")
    elif room >= 66:
        half = (room - 2) // 2
        rest = room - 2 - half
        util, memory = _graph(of, "util", half, height, "util"), _graph(of, "memory", rest, height, "memory")
        graphs = beside([(util, half), (memory, rest)])
    else:
        upper = (height + 1) // 2
        graphs = _graph(of, "util", room, upper, "util") + _graph(
            of, "memory", room, height - upper, "memory"
        )
    return beside([(rows[:height], left), (graphs, room)])


def _slice(of: Card, instance: MigInstance, width: int) -> Line:
    share = memory_share(instance.memory_used, instance.memory_total)
    value = f"{units.size(instance.memory_used)}/{units.size(instance.memory_total)}"
    whole = memory_share(of.gpu.memory_used, of.gpu.memory_total)
    tone = level(whole if share is None else share, of.limits.memory, "memory")
    name = clean(instance.name, 24).removeprefix("MIG ")
    number = "" if instance.gpu_instance is None else f"{instance.gpu_instance} "
    return meter(f"{number}{name}", share, value, width, tone, label_width=13)


def _small_print(of: Card, width: int, card_width: int, most: int) -> list[Line]:
    """Return the readings of minor interest, on at most `most` lines."""
    gpu = of.gpu
    parts: list[Span] = []
    if gpu.clock_sm is not None and not _clock_in_head(card_width):
        parts.append(Span(f"SM {clocks(gpu.clock_sm, gpu.clock_sm_max)}", "muted"))
    if gpu.pcie_gen is not None or gpu.pcie_width is not None:
        parts.append(Span(f"PCIe {pcie(gpu)}", "muted"))
    if gpu.clock_memory is not None:
        parts.append(Span(f"memory {clocks(gpu.clock_memory, gpu.clock_memory_max)}", "muted"))
    if gpu.temperature_memory is not None:
        parts.append(
            Span(f"memory {units.temperature(gpu.temperature_memory, of.limits.temperature_unit)}", "muted")
        )
    if gpu.memory_util is not None:
        parts.append(Span(f"memory bus {units.percent(gpu.memory_util)}", "muted"))
    if gpu.display_active:
        parts.append(Span("drives a display", "muted"))
    out: list[Line] = []
    while parts and len(out) < most:
        line = joined(parts, width, " · ")
        out.append(line)
        parts = [part for part in parts if part not in line]
        if not line:
            break
    return out


def _lost_head(of: Card, width: int) -> Line:
    gpu = of.gpu
    word = f"!! LOST {units.clock_time(gpu.lost_at)}" if gpu.lost_at is not None else "!! NO READINGS"
    number = f" · Xid {gpu.xid}" if gpu.xid is not None else ""
    return spread(_title(of), (Span(word + number, "alarm"),), width)


def _lost_body(of: Card, width: int, height: int) -> list[Line]:
    """Return what happened, and in the last line what to do now."""
    finding = failed(judge(GPU, of.gpu, of.limits))
    if finding is None:
        return []
    tail = wrapped(f"→ {clean(finding.hint)}", width, "text", max(1, height - 1))
    return [*wrapped(clean(finding.text), width, "alarm", max(1, height - len(tail))), *tail]
