"""A clock that all processes of the box share, and that nobody sets."""

from __future__ import annotations

import time


def boot_clock() -> float:
    """Return seconds since boot, suspended ones included where the kernel counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
