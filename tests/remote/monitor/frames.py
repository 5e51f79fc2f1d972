"""Frames as the service offers them, made of samples."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from gpubox.common.alerts.alert import Alert
from gpubox.common.alerts.tracker import AlertTracker
from gpubox.common.severity import Severity
from gpubox.core.sample import Sample
from tests.samples import training_box

Row = dict[str, Any]


def sample_row(sample: Sample) -> Row:
    """A sample as the probe has it: a row, without what the driver does not give."""
    return cast("Row", msgspec.json.decode(msgspec.json.encode(sample)))


def frame_of(sample: Sample, time: float | None = None, **changes: object) -> Row:
    """The frame of a sample, with its alerts."""
    row = sample_row(sample)
    moment = sample.time if time is None else time
    tracker = AlertTracker()
    tracker.feed(row, moment)
    frame: Row = {
        "v": 1,
        "time": moment,
        "host": sample.host.hostname,
        "sample": row,
        "alerts": [alert.row() for alert in tracker.active],
        "changes": [],
        "owners": owners(row),
        "jobs": {"running": 2, "queued": 1, "failed": 3},
    }
    return {**frame, **changes}


def owners(row: Row) -> list[Row]:
    """A row for each user and GPU."""
    found: dict[tuple[str, str], Row] = {}
    uuids = {gpu["index"]: gpu["uuid"] for gpu in row["gpus"]}
    for process in row["processes"]:
        if process.get("gpu") in uuids:
            key = (process["user"], uuids[process["gpu"]])
            one = found.setdefault(key, {"user": key[0], "uuid": key[1], "gpu_memory": 0, "processes": 0})
            one["gpu_memory"] += process.get("gpu_memory") or 0
            one["processes"] += 1
    return list(found.values())


def alert(code: str, subject: str, about: str = "", text: str = "it is so") -> Row:
    """An active alert."""
    return Alert(code, subject, Severity.CRITICAL, f"title of {code}", text, "do it", 1.0, about).row()


def tick(number: int) -> Row:
    """A small frame of a second of its own, which goes out at once."""
    return {
        "v": 1,
        "time": 1_000_000_000.25 + number,
        "sample": {},
        "changes": [{}],
        "jobs": {"running": number},
    }


__all__ = ["alert", "frame_of", "tick", "training_box"]
