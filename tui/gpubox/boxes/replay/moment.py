"""A box as it was at one moment of a recording."""

from __future__ import annotations

from collections.abc import Iterator

from gpubox.common.series import readings
from gpubox.core.errors import GpuBoxError
from gpubox.core.history import SPAN, History
from gpubox.core.link_state import Health
from gpubox.core.sample import Sample
from gpubox.store.recording.reader import Frame, Recording


class ReplayedMoment:
    """What was known of the box at a moment, with the hour before it; it moves forward only."""

    def __init__(self, recording: Recording, moment: float, later: ReplayedMoment | None = None) -> None:
        """Read up to a moment: an hour takes a second, but some minutes where a later moment is known."""
        member = recording.member(moment)
        begin = recording.member(moment - SPAN)
        if later is not None and moment <= later.at <= later.begin.time + SPAN:
            self.begin, self.history = later.begin, later.history.before(member.time)
        else:
            member, self.begin, self.history = begin, begin, History()
        """The hour before the moment, from `begin` on."""
        self.sample: Sample | None = None
        self.sampled_at: float | None = None
        """When the sample came in, in seconds since the epoch."""
        self.at = moment
        """The moment, in seconds since the epoch."""
        self.health = Health()
        self.trouble: GpuBoxError | None = None
        """The error of the probe at that moment."""
        self.damage: GpuBoxError | None = None
        """Why the recording ends here, before its end; None while it goes on."""
        self._frames: Iterator[Frame] = recording.frames(member.time)
        self._next = self._take()
        self.advance(moment)

    @property
    def next_at(self) -> float | None:
        """When something happens next; None at the end."""
        return None if self._next is None else self._next.time

    def advance(self, moment: float) -> bool:
        """Move forward to a moment; return whether anything happened until then."""
        moved = False
        self.at = moment
        while (frame := self._next) is not None and frame.time <= moment:
            self._show(frame)
            self._next = self._take()
            moved = True
        return moved

    def _take(self) -> Frame | None:
        try:
            return next(self._frames, None)
        except GpuBoxError as error:
            self.damage = error
            return None

    def _show(self, frame: Frame) -> None:
        if frame.sample is not None:
            self.sample, self.sampled_at = frame.sample, frame.time
            self.history.put(frame.time, dict(readings(frame.sample)))
        elif frame.link is not None and frame.link.about == "link":
            self.health = frame.link.health
        elif frame.link is not None:
            self.trouble = frame.link.error
