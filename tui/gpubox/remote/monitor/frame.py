"""Builds frames, which outlets take: a sample with its alerts, the owners of its processes, and the jobs."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Set, Tuple

    from gpubox.common.alerts.alert import Alert, AlertChange

    Row = Dict[str, Any]

VERSION = 1


def frame(sample: Row, active: Sequence[Alert], changes: Sequence[AlertChange], jobs: Dict[str, int]) -> Row:
    """Return a frame; `outlet.Outlet` says what is in it."""
    return {
        "v": VERSION,
        "time": sample["time"],
        "host": os.uname().nodename,
        "sample": sample,
        "alerts": [alert.row() for alert in active],
        "changes": [{"raised": one.raised, "at": one.at, "alert": one.alert.row()} for one in changes],
        "owners": owners(sample),
        "jobs": jobs,
    }


def owners(sample: Row) -> List[Row]:
    """Return a row for each user and GPU: its memory in bytes, and the number of processes."""
    uuids = {gpu.get("index"): gpu.get("uuid") or "" for gpu in sample.get("gpus") or ()}
    memory: Dict[Tuple[str, str], int] = {}
    pids: Dict[Tuple[str, str], Set[object]] = {}
    for process in sample.get("processes") or ():
        if process.get("gpu") in uuids:
            key = (process.get("user") or "", uuids[process["gpu"]])
            memory[key] = memory.get(key, 0) + int(process.get("gpu_memory") or 0)
            pids.setdefault(key, set()).add(process.get("pid"))
    return [
        {"user": user, "uuid": uuid, "gpu_memory": memory[user, uuid], "processes": len(pids[user, uuid])}
        for user, uuid in sorted(memory)
    ]
