"""Tunes Python's garbage collector: off during start-up, and then skipping the objects of the start-up."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

STARTED = 4.0
"""Seconds after which all long-lived objects exist: modules, panels, the link, the first samples."""
_NEW = (5_000, 4, 4)
"""Thresholds for gc.set_threshold.

Python's own 700 are less than one reading. Its own 10 let what is painted pile up, for each line that Textual
paints refers to itself: 60 MiB while a log pours in, and then 0.2 s to look through them.
"""


def hold() -> None:
    """Stop collecting: the start-up makes 200,000 objects that stay, and scanning them costs 0.1 s."""
    gc.disable()


def held() -> bool:
    """Return whether the collector is stopped."""
    return not gc.isenabled()


def release() -> None:
    """Collect again, but skip the objects made so far: scanning them takes 50 ms, during which keys wait."""
    gc.freeze()
    gc.set_threshold(*_NEW)
    gc.enable()


@contextmanager
def paused() -> Generator[None]:
    """Collect nothing within the block.

    In Python 3.11 a finalizer that runs while ast.parse builds its tree makes that raise SystemError.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
