"""Detects that this machine slept: the clock that counts sleep runs ahead of the one that does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

JUMP = 5.0
"""Seconds of difference between two readings that mean sleep."""


def _with_sleep() -> float:
    # macOS has no CLOCK_BOOTTIME; a wall clock that is set by hand costs one needless check there.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_REALTIME))


@dataclass(frozen=True, slots=True)
class Clocks:
    """The two clocks; a test puts its own here."""

    awake: Callable[[], float] = time.monotonic
    """Seconds that this machine was awake."""
    always: Callable[[], float] = _with_sleep
    """Seconds, sleep included."""
    look: float = 1.0
    """Seconds between two readings."""


async def watch(clocks: Clocks, woke: Callable[[float], None]) -> None:
    """Call `woke` with the seconds slept after each sleep of this machine, until cancelled."""
    before = clocks.always() - clocks.awake()
    while True:
        await asyncio.sleep(clocks.look)
        now = clocks.always() - clocks.awake()
        if now - before > JUMP:
            woke(now - before)
        before = now
