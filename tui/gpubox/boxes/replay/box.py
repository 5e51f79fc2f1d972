"""Plays a recording as a box: panels follow its feeds as they follow those of a live one."""

from __future__ import annotations

import asyncio
import time

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.replay.link import RecordedLink
from gpubox.boxes.replay.moment import ReplayedMoment
from gpubox.config.settings import Settings
from gpubox.core.target import Target
from gpubox.store.recording.reader import Recording

SLOWEST, FASTEST = 0.125, 64.0
"""Bounds of the speed: at 64, an hour takes a minute."""
_AHEAD = 60.0
"""Seconds that are played at once when moving forward; a longer way is read in a thread."""
_TICK = 0.1
"""Least seconds between two steps, however fast the recording plays."""
_IDLE = 3600.0
"""Seconds to wait while nothing can happen."""


def target_of(recording: Recording) -> Target:
    """Return the target of a recording; its name is that of the recorded box."""
    return Target(recording.box or "recording", "recording", "recording", "a recording")


class ReplayBox(Box):
    """A recording that plays."""

    def __init__(self, recording: Recording, settings: Settings, speed: float = 1.0) -> None:
        self._link = RecordedLink()
        super().__init__(BoxContext(target_of(recording), settings), self._link)
        self.recording = recording
        self.speed = min(FASTEST, max(SLOWEST, speed))
        """Seconds of the recording per second."""
        self.paused = False
        self._moment: ReplayedMoment | None = None
        self._from = recording.begin
        """Where it was at `_since`, in seconds since the epoch; time passes from there while it plays."""
        self._since = time.monotonic()
        self._goal: float | None = recording.begin
        """Where to move next; None when it is there."""
        self._end = recording.end
        self._wake = asyncio.Event()

    @property
    def position(self) -> float:
        """The moment that is shown, or will be at once, in seconds since the epoch."""
        return self.now() if self._goal is None else self._goal

    @property
    def ended(self) -> bool:
        """Whether it has played to its end."""
        return self._goal is None and self.position >= self._end

    @property
    def seeking(self) -> bool:
        """Whether it is on its way to another moment."""
        return self._goal is not None

    def now(self) -> float:
        """Return the moment that is on the screen: on the way to another one, still the one before."""
        still = self.paused or self._goal is not None
        passed = 0.0 if still else (time.monotonic() - self._since) * self.speed
        return min(self._end, self._from + passed)

    @property
    def age(self) -> float | None:
        """Seconds since the newest sample came in, or None before the first."""
        at = self._moment.sampled_at if self._moment is not None else None
        return None if at is None else max(0.0, self.now() - at)

    def prepare(self) -> None:
        """Nothing to import."""

    async def keep(self, purpose: Purpose = Purpose.WORK) -> None:
        """Play until cancelled; no feature works in the background."""
        del purpose
        while True:
            self._wake.clear()
            await self._move()
            try:
                async with asyncio.timeout(self._delay()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _move(self) -> None:
        """Show what there is at the position, or at the goal."""
        while (goal := self._goal) is not None:
            moment = self._moment
            if moment is None or not moment.at <= goal <= moment.at + _AHEAD:
                moment = await asyncio.to_thread(ReplayedMoment, self.recording, goal, moment)
            if self._goal != goal:
                continue  # moved again meanwhile
            self._moment, self._from, self._since = moment, goal, time.monotonic()
            moment.advance(goal)
            self._goal = None
            self._publish(moment)
        if self._moment is not None and self._moment.advance(self.position):
            self._publish(self._moment)

    def _publish(self, moment: ReplayedMoment) -> None:
        if moment.damage is not None:
            self._end = min(self._end, moment.sampled_at or self._end)
        self.history.take(moment.history)
        if moment.health != self.link.health.value:
            self._link.health.put(moment.health)
        trouble = moment.damage or moment.trouble
        if str(trouble) != str(self.trouble.value):
            self.troubled(trouble)
        if moment.sample is not self.sample.value:
            self.sample.put(moment.sample)

    def _delay(self) -> float:
        """Return the seconds until something happens."""
        following = self._moment.next_at if self._moment is not None else None
        if self.paused or following is None:
            return _IDLE
        return max(_TICK, (following - self.position) / self.speed)

    def pause(self) -> None:
        """Pause, or play on; at the end, play from the beginning."""
        if self.ended:
            self.paused = False
            self.seek(self.recording.begin)
        else:
            self._hold()
            self.paused = not self.paused
            self._wake.set()

    def seek(self, moment: float) -> None:
        """Move to a moment, within the bounds of the recording."""
        self._hold()
        self._goal = min(self._end, max(self.recording.begin, moment))
        self._wake.set()

    def play_at(self, speed: float) -> None:
        """Change the speed."""
        self._hold()
        self.speed = min(FASTEST, max(SLOWEST, speed))
        self._wake.set()

    def _hold(self) -> None:
        """Count from here on: speed or pause is about to change."""
        if self._goal is None:
            self._from, self._since = self.now(), time.monotonic()

    def retry(self) -> None:
        """Nothing to retry."""

    def watch_pcie(self, gpu: int | None) -> None:
        """Nothing to sample."""
