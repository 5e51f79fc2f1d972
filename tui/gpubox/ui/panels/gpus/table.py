"""Many GPUs as a table, one line each, with meters small enough for a column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gpubox.common import units
from gpubox.common.metrics import GPU
from gpubox.common.rules.rule import Finding
from gpubox.common.rules.table import judge
from gpubox.common.series import gpu_key
from gpubox.common.severity import Severity
from gpubox.config.settings import Settings
from gpubox.core.history import History
from gpubox.core.sample import Gpu, memory_share
from gpubox.ui.draw import trend
from gpubox.ui.draw.meter import inside
from gpubox.ui.draw.spans import SIGNS, Line, Span, joined
from gpubox.ui.draw.table import Column
from gpubox.ui.panels.gpus.gpu_status import marks, short_name, tags, why
from gpubox.ui.severity import level, signed

_METER = 10
_MEMORY = 14
_RECENT = 16
_STATE = 60
"""Most cells of the state."""
_WEIGHTS = {Severity.CRITICAL: 100.0, Severity.WARNING: 1.0, Severity.INFO: 0.0}
"""Weight of a finding in the sort key of the state: no number of warnings outweighs an alarm."""
_LOST = 1e6
"""The sort key of a lost card."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Draws the cells of the table of GPUs."""

    settings: Settings
    history: History
    now: Callable[[], float]

    def util(self, gpu: Gpu) -> Line:
        """Return the load as a meter."""
        note = why(gpu, "util") if gpu.util is None else ""
        return inside(gpu.util, units.percent(gpu.util), _METER, "util", note)

    def recent(self, gpu: Gpu) -> Line:
        """Return the load of the last minutes as a graph."""
        key = gpu_key(gpu.uuid or str(gpu.index), "util")
        seconds = 60 * self.settings.ui.history_minutes
        values = trend.series(self.history, key, self.now(), seconds, 2 * _RECENT)
        return trend.trend(values, 1, 0, 100, "util")[0]

    def memory(self, gpu: Gpu) -> Line:
        """Return the share of used memory as a meter."""
        share = fullness(gpu)
        if share is None:
            return inside(None, units.DASH, _MEMORY, "memory", why(gpu, "memory_used"))
        value = f"{units.size(gpu.memory_used)}/{units.size(gpu.memory_total)}"
        return inside(share, value, _MEMORY, level(share, self.settings.thresholds.memory, "memory"))

    def heat(self, gpu: Gpu) -> Line:
        """Return the temperature, followed by two cells for a sign."""
        tone = level(gpu.temperature, self.settings.limits.for_gpu(gpu).temperature)
        text = units.temperature(gpu.temperature, self.settings.ui.temperature_unit)
        note = why(gpu, "temperature") if gpu.temperature is None else ""
        sign = SIGNS.get(tone, "")
        return (Span(text, tone if sign else "text", "", note), Span(f"{sign:<2}", tone))

    def state(self, gpu: Gpu) -> Line:
        """Return the findings."""
        if gpu.lost_at is not None:
            return (Span(f"!! LOST {units.clock_time(gpu.lost_at)}", "alarm"),)
        if gpu.fault is not None and gpu.util is None:
            return (Span("!! NO READINGS", "alarm"),)
        said = [Span("SIMULATED", "label")] if gpu.simulated else []
        said += [*map(signed, self._marks(gpu)), *tags(gpu)]
        return joined(said, _STATE, " · ")

    def trouble(self, gpu: Gpu) -> float:
        """Return the sort key of the state: higher is worse."""
        if gpu.lost_at is not None:
            return _LOST
        return sum(_WEIGHTS[finding.severity] for finding in self._marks(gpu))

    def _marks(self, gpu: Gpu) -> list[Finding]:
        return marks(judge(GPU, gpu, self.settings.limits))


def fullness(gpu: Gpu) -> float | None:
    """Return the share of a card's used memory, in percent."""
    return memory_share(gpu.memory_used, gpu.memory_total)


def _power(gpu: Gpu) -> Line:
    return _plain(gpu.power, units.watts(gpu.power), gpu, "power")


def _fan(gpu: Gpu) -> Line:
    return _plain(gpu.fan, units.percent(gpu.fan), gpu, "fan")


def _clock(gpu: Gpu) -> Line:
    return _plain(gpu.clock_sm, units.megahertz(gpu.clock_sm), gpu, "clock_sm")


def _plain(value: float | None, text: str, gpu: Gpu, field: str) -> Line:
    return (Span(text, "faint", "", why(gpu, field)) if value is None else Span(text),)


def columns(settings: Settings, history: History, now: Callable[[], float]) -> Sequence[Column[Gpu]]:
    """Return the columns of the table of GPUs; `now` returns the moment up to which graphs go."""
    cells = Cells(settings, history, now)
    return (
        Column("gpu", 3, lambda gpu: str(gpu.index), lambda gpu: gpu.index, title="#", tone="accent"),
        Column("name", 20, short_name, short_name, left=True, need=6),
        Column("util", _METER, cells.util, lambda gpu: gpu.util, falling=True),
        Column("recent", _RECENT, cells.recent, lambda gpu: gpu.util, left=True, falling=True, need=5),
        Column("memory", _MEMORY, cells.memory, fullness, falling=True),
        Column("temp", 7, cells.heat, lambda gpu: gpu.temperature, falling=True, title="TEMP  "),
        Column("power", 6, _power, lambda gpu: gpu.power, falling=True, need=1),
        Column("fan", 5, _fan, lambda gpu: gpu.fan, falling=True, need=3),
        Column("clock", 8, _clock, lambda gpu: gpu.clock_sm, falling=True, need=4),
        Column("state", 14, cells.state, cells.trouble, left=True, falling=True, grows=True),
    )
