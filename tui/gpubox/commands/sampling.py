"""Samples a box outside the panel: passes each sample and each error to a callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from gpubox.boxes.box import Box
from gpubox.boxes.context import Purpose
from gpubox.boxes.fleet import Fleet
from gpubox.core.errors import GpuBoxError, ProbeError
from gpubox.core.link_state import Phase
from gpubox.core.sample import Sample
from gpubox.core.tasks import together

Event = Sample | GpuBoxError
Receiver = Callable[[Event], bool]
"""Receives an event; returns whether to stop."""
Say = Callable[[Event], None]

SILENCE = 20.0
"""Seconds that a live link may go without a sample: sending the probe over a slow line takes 3."""
SETTLE = 1.5
"""Seconds that one sample waits for rates, which need two readings of a counter."""


class _Enough(Exception):
    """Ends the jobs around a box."""


async def follow(fleet: Fleet, box: Box, receive: Receiver) -> None:
    """Run a box and pass its events to `receive` until that returns true; then close the box."""

    def say(event: Event) -> None:
        if receive(event):
            raise _Enough

    with suppress(_Enough):
        await together(
            fleet.keep(box, Purpose.WATCH),
            _samples(box, say),
            _health(box, say),
            _trouble(box, say),
            _silence(box, say),
        )


async def _samples(box: Box, say: Say) -> None:
    async for sample in box.sample.follow():
        if sample is not None:
            say(sample)


async def _health(box: Box, say: Say) -> None:
    async for state in box.link.health.follow():
        if state.phase in (Phase.WAITING, Phase.REFUSED) and state.reason is not None:
            say(state.reason)


async def _trouble(box: Box, say: Say) -> None:
    async for error in box.trouble.follow():
        if error is not None:
            say(error)


async def _silence(box: Box, say: Say) -> None:
    """Report a link that is up but brings no sample."""
    async for state in box.link.health.follow():
        if state.phase is not Phase.LIVE:
            continue
        await asyncio.sleep(SILENCE)
        if box.link.health.value.phase is Phase.LIVE and (box.age is None or box.age > SILENCE):
            say(_silent())


def _silent() -> ProbeError:
    return ProbeError(
        "No reading",
        f"The link is up, but the probe sent nothing for {SILENCE:.0f} seconds",
        "Look at the load of the box, and whether its home folder answers",
    )


async def once(fleet: Fleet, box: Box) -> Event:
    """Return one sample of a box with known rates, or the error."""
    found: list[Event] = []

    def receive(event: Event) -> bool:
        if isinstance(event, Sample):
            found[:] = [event]
            return event.host.cpu is not None
        if not found:
            found.append(event)
        return True  # a sample without rates is better than a later error

    async def followed() -> None:
        await follow(fleet, box, receive)
        raise _Enough

    async def settled() -> None:
        async for sample in box.sample.follow():
            if sample is not None:
                break
        await asyncio.sleep(SETTLE)
        raise _Enough

    with suppress(_Enough):
        await together(followed(), settled())
    return found[0]


class Changes:
    """Reports an error once, however often it repeats before the next sample."""

    def __init__(self, receive: Callable[[Event], None], seconds: float) -> None:
        self._report = receive
        self._seconds = seconds
        self._said = ""
        self._last = -seconds

    def __call__(self, event: Event) -> bool:
        """Receive an event; never stops."""
        if isinstance(event, Sample):
            now = asyncio.get_running_loop().time()
            if now - self._last >= self._seconds * 0.75:  # a tick may come early, but not by a quarter
                self._last, self._said = now, ""
                self._report(event)
        elif str(event) != self._said:
            self._said = str(event)
            self._report(event)
        return False
