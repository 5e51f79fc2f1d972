"""The time for which a box was observed: it never goes back, and stands still while no samples come."""

from __future__ import annotations

from typing import Optional

from gpubox.common.rules.alerts.alert_rule import Moment

PATIENCE, READINGS = 15.0, 4
"""Seconds, or overdue samples, from which samples count as missing."""


class ObservedClock:
    """Counts seconds from the times of samples, whatever is done to the clock that gives them."""

    def __init__(self, clock: float = 0.0) -> None:
        self.clock = clock
        self._last: Optional[float] = None

    def step(self, now: float, interval: float) -> Moment:
        """Return the moment of a sample; `interval` is the seconds between two of them."""
        last, self._last = self._last, now
        if last is None:
            return Moment(now, self.clock, 0.0, True)
        passed = now - last
        gap = passed > max(PATIENCE, READINGS * interval)
        # A clock that was set back tells nothing; neither does a gap, but that samples come again.
        elapsed = 0.0 if gap else passed if passed >= 0 else interval
        self.clock += elapsed
        return Moment(now, self.clock, elapsed, gap)
