"""How many jobs of this user run, wait and have failed, by their records."""

from __future__ import annotations

import contextlib
import os

from gpubox.remote import state
from gpubox.remote.jobs import records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    Row = Dict[str, Any]

MOST = 1000
"""Most records that are read, the newest; a list of jobs has no more."""


class JobCounts:
    """Counts jobs by their records, reading only those that changed."""

    def __init__(self) -> None:
        self.folder = state.folder("jobs")
        self._touched: Optional[float] = -1.0
        self._ended: Dict[str, bool] = {}
        """Whether each ended job failed."""
        self._counts = {"running": 0, "failed": 0, "queued": 0}

    def row(self) -> Dict[str, int]:
        """Return `running`, `failed` and `queued`: of all jobs whose records are still there."""
        touched = None
        with contextlib.suppress(OSError):
            touched = os.stat(os.path.join(self.folder, ".changed")).st_mtime
        # A supervisor that was killed touches nothing, so jobs that have not ended are always read.
        if touched != self._touched or self._counts["running"] or self._counts["queued"]:
            if touched != self._touched:
                self._ended = {}  # a queue may correct how a job ended
            self._touched = touched
            self._counts = self._counted()
        return dict(self._counts)

    def _counted(self) -> Dict[str, int]:
        counts = {"running": 0, "failed": 0, "queued": 0}
        ids = []
        with contextlib.suppress(OSError):
            ids = records.ids(self.folder)[:MOST]
        ended = {}
        for job in ids:
            if job in self._ended:
                ended[job] = self._ended[job]
                continue
            record = records.current(os.path.join(self.folder, job), figures=False)
            if record is None:
                continue
            if record["state"] == "ended":
                ended[job] = failed(record.get("ending"))
            else:
                counts["queued" if record["state"] == "queued" else "running"] += 1
        self._ended = ended
        counts["failed"] = sum(ended.values())
        return counts


def failed(ending: object) -> bool:
    """Return whether a job ended badly; one that a user stopped did not."""
    if not isinstance(ending, dict):
        return False
    if ending.get("how") == "exit":
        return ending.get("code") != 0
    return ending.get("how") != "stopped"
