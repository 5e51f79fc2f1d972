"""Tunes Python's garbage collector: off during start-up, and blind to what the start-up allocated."""

from __future__ import annotations

import gc

_NEW = (5_000, 4, 4)
"""Objects made since the last look that are worth another, and how many looks go by before one is wider.

Python's own 700 are less than one reading. Its own 10 let what is painted pile up, for each line that Textual
paints refers to itself: 60 MiB while a log pours in, and then 0.2 s to look through them.
"""


def hold() -> None:
    """Look for none from now on: a start makes 200,000 objects that stay, and looks at them cost 0.1 s."""
    gc.disable()


def held() -> bool:
    """Tell whether nothing looks for garbage now."""
    return not gc.isenabled()


def release() -> None:
    """Look again, but not at what is there by now: a look through all of it takes 50 ms, and keys wait."""
    gc.freeze()
    gc.set_threshold(*_NEW)
    gc.enable()
