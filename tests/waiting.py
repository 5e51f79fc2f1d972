"""Waits of tests that run no event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.hang import LIMIT


def until(condition: Callable[[], Any], say: Callable[[], object] = str) -> Any:
    """Return the first true value of a condition; after LIMIT, which only a hang takes, fail with `say`."""
    end = time.monotonic() + LIMIT
    while not (found := condition()):
        assert time.monotonic() < end, f"it never came true: {say()}"
        time.sleep(0.01)
    return found
