"""Jobs of this machine for a test: in folders of its own, and all ended when it is over."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def job_folders(folder: Path) -> Generator[dict[str, str]]:
    """Yield the variables that have jobs kept in a folder; whatever still runs there is killed."""
    state, queue = folder / "state", folder / "queue"
    for made in (state, queue):
        made.mkdir(mode=0o700, parents=True)
    try:
        yield {"GPUBOX_STATE_DIR": str(state), "GPUBOX_QUEUE_DIR": str(queue)}
    finally:
        for record in records(state):
            for name in ("supervisor", "main"):
                with contextlib.suppress(KeyError, TypeError, OSError):
                    process = record[name]
                    if _start(process["pid"]) == process["start"]:
                        os.kill(process["pid"], signal.SIGKILL)


def records(state: Path) -> list[dict[str, dict[str, int]]]:
    """Return the records of all jobs there, as they lie on the disk."""
    found: list[dict[str, dict[str, int]]] = []
    for path in sorted(state.glob("*/jobs/*/status.json")):
        with contextlib.suppress(OSError, ValueError):
            found.append(json.loads(path.read_text()))
    return found


def _start(pid: int) -> int:
    """Return when a process started, as the kernel counts."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
