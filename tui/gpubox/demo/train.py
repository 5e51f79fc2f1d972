"""A training that trains nothing: a real process for the demo box, to be seen, stopped and ended.

It writes a line of log every few seconds, takes no CPU in between, and ends when its stdin does: the demo
holds the other end, so that nothing outlives it however it ends.
"""

from __future__ import annotations

import math
import select
import sys
import time

SECONDS = 5.0
"""Between two lines of the log."""


def main() -> None:
    """Write lines of log until stdin ends."""
    began = time.time()
    with open(sys.argv[0].replace(".py", ".log"), "a", encoding="utf-8", buffering=1) as log:
        while not select.select([sys.stdin], [], [], SECONDS)[0]:
            step = int((time.time() - began) * 7)
            loss = 0.4 + 2 * math.exp(-step / 4000)
            log.write(f"{time.strftime('%H:%M:%S')} step {step} loss {loss:.4f} (simulated)\n")


if __name__ == "__main__":
    main()
