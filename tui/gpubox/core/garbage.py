"""When the program looks for garbage: not while it starts, and not through all that the start left."""

from __future__ import annotations

import gc

_NEW = 10_000
"""Objects made since the last look that are worth another; Python's own 700 is less than one reading."""


def hold() -> None:
    """Look for none from now on: a start makes 200,000 objects that stay, and looks at them cost 0.1 s."""
    gc.disable()


def held() -> bool:
    """Tell whether nothing looks for garbage now."""
    return not gc.isenabled()


def release() -> None:
    """Look again, but not at what is there by now: a look through all of it takes 50 ms, and keys wait."""
    gc.freeze()
    gc.set_threshold(_NEW, 10, 10)
    gc.enable()
