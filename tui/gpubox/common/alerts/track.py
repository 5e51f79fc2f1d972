"""What is remembered of one rule and one subject between samples."""

from __future__ import annotations

from typing import Any, Dict, Optional

from gpubox.common.rules.alerts.alert_rule import Memory, Moment


class Track:
    """Times are those of the observed clock."""

    def __init__(self) -> None:
        self.pending: Optional[float] = None
        """Since when the condition has held, before it is raised."""
        self.calm: Optional[float] = None
        """Since when the condition has not held, while it is raised."""
        self.unread: Optional[float] = None
        """Since when it could not be read, while it is raised."""
        self.raised = 0.0
        """When it was raised, or happened again."""
        self.memory: Memory = {}

    @property
    def blank(self) -> bool:
        """Whether there is nothing to remember, but for a raised alert."""
        return self.pending is None and not self.memory

    def holds(self, moment: Moment, seconds: float) -> bool:
        """Note that the condition holds; return whether it has for so long. Before a gap does not count."""
        self.calm = None
        if self.pending is None or moment.gap:
            self.pending = moment.clock
        return moment.clock - self.pending >= seconds

    def rests(self, moment: Moment, seconds: float) -> bool:
        """Note that the condition does not hold; return whether it has not for so long."""
        self.pending = None
        if self.calm is None or moment.gap:
            self.calm = moment.clock
        return moment.clock - self.calm >= seconds

    def pause(self, moment: Moment) -> None:
        """Note that the condition cannot be judged now: this time counts neither way."""
        if moment.gap:
            self.pending = self.calm = None
        if self.pending is not None:
            self.pending += moment.elapsed
        if self.calm is not None:
            self.calm += moment.elapsed

    def is_lost(self, moment: Moment, seconds: float) -> bool:
        """Note that the reading is missing; return whether it has been for so long."""
        self.pending = self.calm = None
        if self.unread is None:
            self.unread = moment.clock
        return moment.clock - self.unread >= seconds

    def row(self) -> Dict[str, Any]:
        """Return what outlives a restart; what was pending starts again."""
        return {"raised": self.raised, "memory": self.memory}

    @classmethod
    def of(cls, row: Dict[str, Any]) -> Track:
        """Return the track of a row."""
        track = cls()
        track.raised, track.memory = float(row["raised"]), dict(row["memory"])
        return track
