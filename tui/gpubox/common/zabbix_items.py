"""What Zabbix gets of each subject: the table of metrics, and what a frame has beside its sample."""

from __future__ import annotations

from typing import Mapping, NamedTuple

from gpubox.common.metrics import DISK, GPU, HOST, METRICS, Metric

FLOAT, UNSIGNED, TEXT = "FLOAT", "UNSIGNED", "TEXT"
"""Types of values in Zabbix."""
BOX, OWNER, JOBS = "box", "owner", "jobs"
"""Subjects of items that are not of the table of metrics: the box itself, a user, the jobs."""
MASTER = "gpubox.frame"
"""Key of the item that takes a whole frame; every other item depends on it."""
NO_ALERTS = "none"
"""What the item `alerts` says when there are none."""


class Item(NamedTuple):
    """One item of Zabbix; its value is the field `name` of a row of the frame for Zabbix."""

    subject: str
    name: str
    unit: str
    """As the table of metrics has it."""
    help: str
    kind: str
    """FLOAT, UNSIGNED or TEXT."""

    @property
    def key(self) -> str:
        """Its key in Zabbix, without the parameter that names a GPU, a disk or a user."""
        return f"gpubox.{self.name}" if self.subject == BOX else f"gpubox.{self.subject}.{self.name}"

    @property
    def words(self) -> str:
        """Its name for people, such as `ECC uncorrected`."""
        parts = [_WORDS.get(part, part) for part in self.name.split("_")]
        return " ".join([parts[0][:1].upper() + parts[0][1:], *parts[1:]])


_WORDS = {
    "cpu": "CPU", "ecc": "ECC", "gpu": "GPU", "mig": "MIG", "net": "network", "pcie": "PCIe", "sm": "SM",
    "util": "utilization", "pstate": "P-state", "gen": "generation", "xid": "Xid",
}  # fmt: skip
_HIDDEN = {
    (GPU, "index"),
    (GPU, "xid_note"),
    (GPU, "xid_meaning"),
    (GPU, "xid_step"),
    (GPU, "throttle_unknown"),
}
"""Metrics that exist for the words of rules."""
_TEXTS = {(GPU, "pcie_link"), (GPU, "pcie_link_max"), (GPU, "failure")}
_WHOLE = ("B", "time")
"""Units whose values are whole numbers."""


def _item(subject: str, metric: Metric) -> Item:
    kind = TEXT if (subject, metric.name) in _TEXTS else UNSIGNED if metric.unit in _WHOLE else FLOAT
    return Item(subject, metric.name, metric.unit, metric.help, kind)


def _metrics(subject: str) -> tuple[Item, ...]:
    return tuple(
        _item(subject, metric) for metric in METRICS[subject] if (subject, metric.name) not in _HIDDEN
    )


_ALERTS = "Active alerts: a line for each, which begins with the code of its rule"

ITEMS: Mapping[str, tuple[Item, ...]] = {
    BOX: (
        Item(BOX, "time", "time", "When the newest frame was taken", UNSIGNED),
        Item(BOX, "driver", "", "Version of the NVIDIA driver", TEXT),
        Item(BOX, "gpu_count", "", "GPUs that the driver shows", UNSIGNED),
        Item(BOX, "alerts", "", _ALERTS, TEXT),
    ),
    HOST: _metrics(HOST),
    JOBS: (
        Item(JOBS, "running", "", "Jobs that run", UNSIGNED),
        Item(JOBS, "queued", "", "Jobs that wait for a GPU", UNSIGNED),
        Item(JOBS, "failed", "", "Jobs that failed", UNSIGNED),
    ),
    GPU: (
        *_metrics(GPU),
        Item(GPU, "throttle_reasons", "", "Reasons that hold the clock, in words", TEXT),
        Item(GPU, "lost", "", "Whether the driver cannot read the GPU", UNSIGNED),
        Item(GPU, "processes", "", "Processes on the GPU", UNSIGNED),
        Item(GPU, "alerts", "", _ALERTS, TEXT),
    ),
    DISK: (*_metrics(DISK), Item(DISK, "alerts", "", _ALERTS, TEXT)),
    OWNER: (
        Item(OWNER, "gpu_memory", "B", "Memory that the user holds on all GPUs", UNSIGNED),
        Item(OWNER, "gpus", "", "GPUs on which the user holds memory", UNSIGNED),
        Item(OWNER, "processes", "", "Processes of the user on GPUs; one on two GPUs counts twice", UNSIGNED),
    ),
}
"""Every item but the master, by subject. GPUs, disks and owners are discovered."""
