"""Gathers the parts of a section at the same time, so that a slow one costs only itself."""

from __future__ import annotations

import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Callable, Dict

    Row = Dict[str, Any]

SECONDS = 2.4
"""Default limit for all parts of a section, which itself has 3 s."""


def gathered(parts: Dict[str, Callable[[], object]], seconds: float = SECONDS) -> Row:
    """Run functions in threads, and return their values by name.

    A function that raises OSError, ValueError or LookupError, or is not done in time, has no value: a dead
    network disk blocks its thread forever, and the thread ends with the program.
    """
    values: Row = {}

    def work(name: str, part: Callable[[], object]) -> None:
        try:
            values[name] = part()
        except (OSError, ValueError, LookupError):
            return

    threads = [threading.Thread(target=work, args=one, daemon=True) for one in parts.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(values)
