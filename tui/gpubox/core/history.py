"""What was seen of a box in the last hour, one slot a second, with gaps where nothing was seen."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping

from gpubox.core.sample import Sample, memory_share

SPAN = 3600
"""Seconds kept."""
_SLACK = 600
"""Slots over SPAN before the oldest are dropped in one go."""

GPU_SERIES = ("util", "memory", "temperature", "power", "fan")
"""Series kept of each GPU; memory is a share in percent."""
HOST_SERIES = ("cpu", "memory")
"""Series kept of the host, both shares in percent."""


def gpu_key(uuid: str, series: str) -> str:
    """Return the key of one series of one GPU."""
    return f"gpu/{uuid}/{series}"


def host_key(series: str) -> str:
    """Return the key of one series of the host."""
    return f"host/{series}"


def readings(sample: Sample) -> Iterator[tuple[str, float]]:
    """Yield key and value of everything in a sample that history keeps; unknown values are left out."""
    for gpu in sample.gpus:
        values = (
            gpu.util,
            memory_share(gpu.memory_used, gpu.memory_total),
            gpu.temperature,
            gpu.power,
            gpu.fan,
        )
        for series, value in zip(GPU_SERIES, values, strict=True):
            if value is not None:
                yield gpu_key(gpu.uuid or str(gpu.index), series), value
    host = sample.host
    if host.cpu is not None:
        yield host_key("cpu"), host.cpu
    if host.memory_available is not None and host.memory_total:
        yield host_key("memory"), 100.0 * (1 - host.memory_available / host.memory_total)


class History:
    """One hour of every series of one box."""

    def __init__(self) -> None:
        self._series: dict[str, array[float]] = {}
        self._start: dict[str, int] = {}

    def put(self, second: float, values: Mapping[str, float]) -> None:
        """Keep values of one moment, in this machine's seconds since the epoch."""
        slot = int(second)
        for key, value in values.items():
            self._put(key, slot, value)

    def _put(self, key: str, slot: int, value: float) -> None:
        series = self._series.get(key)
        if series is None or slot - self._start[key] - len(series) > SPAN:
            self._series[key] = array("f", (value,))
            self._start[key] = slot
            return
        place = slot - self._start[key]
        if place < 0:
            return
        if place >= len(series):
            series.extend([math.nan] * (place + 1 - len(series)))
        series[place] = value
        if len(series) > SPAN + _SLACK:
            drop = len(series) - SPAN
            del series[:drop]
            self._start[key] += drop

    def keys(self) -> tuple[str, ...]:
        """Return the keys that hold anything."""
        return tuple(self._series)

    def window(self, key: str, now: float, seconds: int, points: int) -> list[float | None]:
        """Return `points` means over the last `seconds` before `now`, oldest first; None is a gap.

        With fewer points than seconds each point is the mean of its slots; buckets are aligned to
        whole multiples of their width, so that a graph scrolls and never flickers.
        """
        series = self._series.get(key)
        if series is None or points <= 0:
            return [None] * max(0, points)
        start = self._start[key]
        width = max(1, seconds // points)
        end = (int(now) // width + 1) * width
        return [_mean(series, begin - start, width) for begin in range(end - points * width, end, width)]


def _mean(series: array[float], begin: int, width: int) -> float | None:
    chosen = [value for value in series[max(0, begin) : max(0, begin + width)] if not math.isnan(value)]
    return sum(chosen) / len(chosen) if chosen else None
