"""Two or more jobs side by side: what each used, how each ended, which was faster and what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import mean, median, stdev

from gpubox.boxes.jobs.compare.grouping import Side, same_work, sides
from gpubox.boxes.jobs.compare.warnings import differences, notes
from gpubox.boxes.jobs.gpu_values import over_gpus
from gpubox.core.env import Package
from gpubox.core.record import GpuUse, Record

_ODD = 14.826
"""Multiples of the median absolute deviation from which a run is an outlier (10 standard deviations)."""
_CLEARLY = 1.1
"""Least relative difference of a slow first run, and of an outlier."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of a record."""

    name: str
    """Its name in tables and exports."""
    unit: str
    """`s`, `%`, `B`, `J`, `W`, `C`, `MHz`, or empty for a count."""
    of: Callable[[Record], float | None]
    """Its value, None where it is not known."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure over the runs of one side; all None where no run has it."""

    values: tuple[float | None, ...]
    """One for each run, in the order they ran."""
    mean: float | None = None
    deviation: float | None = None
    """Standard deviation of the sample; None for a single run."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class SpeedUp:
    """The ratio of the mean real times of two sides."""

    faster: Side
    slower: Side
    ratio: float
    deviation: float | None
    """By the deviations of both; None when either ran once."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of records."""

    sides: tuple[Side, ...]
    figures: tuple[tuple[Measure, tuple[Figure, ...]], ...]
    """Measures that at least one side has, with a figure for each side."""
    speedups: tuple[SpeedUp, ...]
    """The fastest finished side against each other one; none between different commands."""
    notes: tuple[str, ...]
    """Sentences: what makes the comparison unfair, what failed, which run is an outlier."""
    differences: tuple[tuple[str, tuple[str, ...]], ...]
    """What else differs, with a value for each side; empty where a side has none."""


def _usage(of: Callable[[Record], float | None]) -> Callable[[Record], float | None]:
    return lambda record: of(record) if record.usage is not None else None


def _gpus(
    of: Callable[[GpuUse], float | None], join: Callable[[list[float]], float]
) -> Callable[[Record], float | None]:
    return lambda record: over_gpus(record.gpus, of, join)


def _throttled(gpu: GpuUse) -> float | None:
    known = gpu.mean_util is not None or gpu.throttled
    return sum(gpu.throttled.values()) if known else None


MEASURES = (
    Measure("real time", "s", _usage(lambda r: r.usage.real if r.usage else None)),
    Measure("user time", "s", _usage(lambda r: r.usage.user if r.usage else None)),
    Measure("system time", "s", _usage(lambda r: r.usage.sys if r.usage else None)),
    Measure("CPU", "%", _usage(lambda r: r.usage.cpu if r.usage else None)),
    Measure("memory, largest process", "B", _usage(lambda r: r.usage.max_rss if r.usage else None)),
    Measure("memory, all processes", "B", _usage(lambda r: r.usage.peak_tree if r.usage else None)),
    Measure("GPU memory", "B", _gpus(lambda gpu: gpu.peak_memory, sum)),
    Measure("GPU use, mean", "%", _gpus(lambda gpu: gpu.mean_util, mean)),
    Measure("GPU use, when busy", "%", _gpus(lambda gpu: gpu.busy_util, mean)),
    Measure("GPU power, mean", "W", _gpus(lambda gpu: gpu.mean_power, sum)),
    Measure("GPU power, most", "W", _gpus(lambda gpu: gpu.max_power, sum)),
    Measure("GPU energy", "J", _gpus(lambda gpu: gpu.energy, sum)),
    Measure("GPU temperature, most", "C", _gpus(lambda gpu: gpu.max_temperature, max)),
    Measure("GPU clock, mean", "MHz", _gpus(lambda gpu: gpu.mean_clock, mean)),
    Measure("GPU throttled", "s", _gpus(_throttled, max)),
    Measure("activation", "s", lambda r: r.activation),
    Measure("major page faults", "", _usage(lambda r: r.usage.major_faults if r.usage else None)),
    Measure("voluntary switches", "", _usage(lambda r: r.usage.voluntary if r.usage else None)),
    Measure("involuntary switches", "", _usage(lambda r: r.usage.involuntary if r.usage else None)),
)
"""The measures in the order of the table; memory, power and energy of several GPUs are sums."""


def compare(
    records: Sequence[Record],
    packages: Mapping[str, Sequence[Package]] | None = None,
    said: Mapping[str, str] | None = None,
) -> Comparison:
    """Return the comparison of records; `packages` by the prefix of their environment where known.

    `said` holds the last line of the log by the id of its job, for those that did not finish. It may be raw.
    Runs of one command in one environment are one side. Figures of a side are those of the runs that
    finished, or of all of them where none did.
    """
    them = sides(records)
    figures = [(measure, tuple(_figure(measure, side) for side in them)) for measure in MEASURES]
    speedups = _speedups(them) if same_work(them) else ()
    return Comparison(
        them,
        tuple((measure, each) for measure, each in figures if any(one.mean is not None for one in each)),
        speedups,
        (*notes(them, said or {}), *(note for side in them for note in _odd_runs(side))),
        differences(them, packages or {}),
    )


def _figure(measure: Measure, side: Side) -> Figure:
    values = tuple(_finite(measure.of(record)) for record in side.finished or side.records)
    known = [value for value in values if value is not None]
    if not known:
        return Figure(values)
    return Figure(values, mean(known), stdev(known) if len(known) > 1 else None, min(known), max(known))


def _finite(value: float | None) -> float | None:
    """Return a value, or None for one that is too large: a share of nearly no time."""
    return value if value is None or isfinite(value) else None


def _times(side: Side) -> list[float]:
    return [record.usage.real for record in side.finished if record.usage is not None]


def _speedups(them: Sequence[Side]) -> tuple[SpeedUp, ...]:
    """Return the ratios to the fastest side; a failed run has no speed."""
    timed = [(mean(times), side) for side in them if (times := _times(side))]
    timed.sort(key=lambda pair: pair[0])
    out: list[SpeedUp] = []
    for slow, side in timed[1:]:
        quick, best = timed[0]
        ratio = _finite(slow / quick) if quick > 0 else None
        if ratio is None:
            continue
        spreads = [_relative(_times(one)) for one in (best, side)]
        parts = [spread for spread in spreads if spread is not None]
        deviation = ratio * sqrt(sum(part**2 for part in parts)) if len(parts) == len(spreads) else None
        out.append(SpeedUp(best, side, ratio, deviation))
    return tuple(out)


def _relative(times: Sequence[float]) -> float | None:
    return stdev(times) / mean(times) if len(times) > 1 and mean(times) > 0 else None


def _odd_runs(side: Side) -> list[str]:
    """Return a warning for a slow first run, and one for outliers."""
    times = _times(side)
    if len(times) < 2:
        return []
    first, rest = times[0], times[1:]
    usual = median(times) if len(times) > 2 else times[1]
    distance = max(median(abs(time - usual) for time in times), usual / 1000)
    out: list[str] = []
    slow = first > usual * (_CLEARLY if len(times) > 2 else 1.5)
    if slow and (len(times) == 2 or (first - usual) / distance > _ODD):
        out.append(
            f"{side.label}: the first run took {first / usual:.2g} x as long as the "
            f"{'other' if len(times) == 2 else 'others'}; "
            "files were not in the cache yet, or something was compiled"
        )
    odd = [
        time
        for time in rest
        if len(times) > 2
        and max(time, usual) > min(time, usual) * _CLEARLY
        and abs(time - usual) / distance > _ODD
    ]
    if odd:
        runs = "a run stands" if len(odd) == 1 else f"{len(odd)} runs stand"
        out.append(f"{side.label}: {runs} out from the others; something else may have kept the box busy")
    return out
