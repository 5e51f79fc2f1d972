"""Frames of the service, made from the samples of the tests."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from gpubox.common.alerts.tracker import AlertTracker
from gpubox.core.sample import Sample
from tests import samples
from tests.house.tree import ROOT

JOBS = {"running": 2, "failed": 1, "queued": 3}


def of_rows(sample: dict[str, Any]) -> dict[str, Any]:
    """The frame of a sample as the probe writes it."""
    tracker = AlertTracker()
    tracker.feed(sample, sample["time"])
    uuids = {gpu["index"]: gpu.get("uuid", "") for gpu in sample["gpus"]}
    owners: dict[tuple[str, str], dict[str, Any]] = {}
    for process in sample["processes"]:
        if process.get("gpu") is None:
            continue
        key = (process["user"], uuids[process["gpu"]])
        row = owners.setdefault(key, {"user": key[0], "uuid": key[1], "gpu_memory": 0, "processes": 0})
        row["gpu_memory"] += process.get("gpu_memory") or 0
        row["processes"] += 1
    return {
        "v": 1,
        "time": sample["time"],
        "host": sample["host"].get("hostname", ""),
        "sample": sample,
        "alerts": [alert.row() for alert in tracker.active],
        "changes": [],
        "owners": list(owners.values()),
        "jobs": dict(JOBS),
    }


def frame(sample: Sample) -> dict[str, Any]:
    """The frame of a sample."""
    return of_rows(msgspec.json.decode(msgspec.json.encode(sample)))


def named(name: str) -> dict[str, Any]:
    """The frame of one of the samples."""
    return frame(samples.BUILDERS[name]())


def recorded(name: str) -> list[dict[str, Any]]:
    """The frames of a recorded probe."""
    lines = (ROOT / "tests" / "recorded" / f"{name}.jsonl").read_text().splitlines()
    return [of_rows(json.loads(line)) for line in lines]
