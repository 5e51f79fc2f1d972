"""The last hour of a box: one slot per second, with gaps where nothing was read."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

SPAN = 3600
"""Seconds of history in memory."""
_SLACK = 600
"""Slots over SPAN before the oldest are dropped in one go."""
_STEP = 10
"""Resolution: tenths of a percent, degree or watt in two bytes, up to 6,553.4.

Floats would take twice the memory: 100 boxes of eight GPUs hold an hour in 30 MiB this way.
"""
_GAP = 0xFFFF
"""The slot of a second without a reading."""
_TOP = (_GAP - 1) / _STEP
_MOST = 1024
"""Most series of one box: 200 GPUs. A box that keeps renaming its GPUs must not fill this machine."""


class History:
    """One hour of every series of one box, in tenths of its unit."""

    def __init__(self) -> None:
        self._series: dict[str, array[int]] = {}
        self._start: dict[str, int] = {}

    def put(self, second: float, values: Mapping[str, float]) -> None:
        """Add values of one moment, in this machine's seconds since the epoch."""
        self.fill(int(second), 1, values)

    def fill(self, second: int, width: int, values: Mapping[str, float]) -> None:
        """Add values that hold for `width` seconds from `second` on, such as means read from disk."""
        for key, value in values.items():
            slot = int(min(value, _TOP) * _STEP + 0.5) if value > 0 else 0
            self._put(key, second, width, slot)

    def _put(self, key: str, second: int, width: int, slot: int) -> None:
        series = self._series.get(key)
        if series is None and len(self._series) >= _MOST:
            return
        if series is None or not 0 <= (place := second - self._start[key]) <= len(series) + SPAN:
            # The first value of all, one after an hour of nothing, or one from before everything that is
            # kept: this machine's clock was set back. Then the graph starts over.
            self._series[key] = array("H", (slot,)) * width
            self._start[key] = second
            return
        gap = place - len(series)
        if gap > 0:
            series.extend(array("H", (_GAP,)) * gap)
        if width == 1 and gap >= 0:
            series.append(slot)
        else:
            series[place : place + width] = array("H", (slot,)) * width
        if len(series) > SPAN + _SLACK:
            drop = len(series) - SPAN
            del series[:drop]
            self._start[key] += drop

    def take(self, other: History) -> None:
        """Replace the contents by those of another history, such as one read from disk."""
        self._series, self._start = other._series, other._start

    def complete(self, other: History) -> None:
        """Fill the gaps of this history by another one of the same hour."""
        for key, theirs in other._series.items():
            begin = other._start[key]
            ours = self._series.get(key)
            if ours is None:
                if len(self._series) < _MOST:
                    self._series[key], self._start[key] = theirs[:], begin
                continue
            start = self._start[key]
            if begin < start:
                missing = theirs[: start - begin]
                missing.extend(array("H", (_GAP,)) * (start - begin - len(missing)))
                ours[:0] = missing
                start = self._start[key] = begin
            for place, slot in enumerate(theirs[: len(ours) - (begin - start)], begin - start):
                if ours[place] == _GAP:
                    ours[place] = slot

    def before(self, moment: float) -> History:
        """Return a copy without the second of a moment and later ones."""
        earlier = History()
        for key, series in self._series.items():
            if (count := int(moment) - self._start[key]) > 0:
                earlier._series[key], earlier._start[key] = series[:count], self._start[key]
        return earlier

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

    def means(self, second: int, width: int) -> dict[str, float]:
        """Return the mean of every series over `width` seconds from `second` on, where there is one."""
        return {
            key: mean
            for key, series in self._series.items()
            if (mean := _mean(series, second - self._start[key], width)) is not None
        }


def _mean(series: array[int], begin: int, width: int) -> float | None:
    chosen = series[max(0, begin) : max(0, begin + width)]
    gaps = chosen.count(_GAP)
    if gaps == len(chosen):
        return None
    return (sum(chosen) - gaps * _GAP) / (len(chosen) - gaps) / _STEP
