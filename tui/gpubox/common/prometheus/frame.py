"""A frame of the service as families of metrics; `remote.monitor.outlet` describes the frame."""

from __future__ import annotations

from typing import Any, Callable, Iterable, List, Sequence, Tuple, cast

from gpubox.common import throttle
from gpubox.common.metrics import DISK, GPU, HOST, field
from gpubox.common.prometheus.dcgm import DCGM_FIELDS
from gpubox.common.prometheus.exposition import Family, Labels, Series
from gpubox.common.prometheus.naming import GAUGE, INFO, PREFIX, UNITS, exported
from gpubox.common.rules.driver import without_gpus
from gpubox.common.severity import Severity

Row = Any
"""A row of a frame: an object of JSON."""
JOB_STATES = ("running", "queued", "failed")
"""The counts of jobs that a frame has."""
_SECONDS, _BYTES, _RATIO, _TIME = (UNITS[unit].name for unit in ("s", "B", "%", "time"))


class Extra:
    """A family that no row of the table of metrics stands for; `docs/metrics.md` lists them by these rows."""

    def __init__(self, name: str, kind: str, help: str, labels: Sequence[str] = (), unit: str = "") -> None:
        self.name = f"{PREFIX}_{name}"
        self.kind = kind
        self.help = help
        self.labels = labels
        self.unit = unit

    def family(self, values: Iterable[Tuple[Labels, Any]]) -> Family:
        """Return the family with a series for each value that is a number."""
        series = [Series(labels, value) for labels, value in values if isinstance(value, (int, float))]
        return Family(self.name, self.kind, self.help, series, self.unit)


_CARD = ("gpu", "uuid", "model")
"""Labels of every series of a GPU."""
_MOUNT = ("mount", "device")
_ALERT = ("rule", "subject", "severity", "uuid")

UP = Extra(
    "up", GAUGE, "1 when the GPUs can be read, or when the box has none; 0 when the driver has a fault"
)
FRAME_TIME = Extra("frame_timestamp_seconds", GAUGE, "When the readings were taken", (), _TIME)
FRAME_INTERVAL = Extra("frame_interval_seconds", GAUGE, "Time between two readings", (), _SECONDS)
SERVICE_CPU = Extra("service_cpu_ratio", GAUGE, "Share of one core that the service takes", (), _RATIO)
SERVICE_MEMORY = Extra("service_memory_bytes", GAUGE, "Resident memory of the service", (), _BYTES)
SERVICE_READING = Extra("service_reading_seconds", GAUGE, "Time that the last reading took", (), _SECONDS)
HOST_INFO = Extra(
    "host", INFO, "What identifies the machine and its driver",
    ("hostname", "distribution", "kernel", "machine", "cpu_model", "driver", "cuda"),
)  # fmt: skip
GPU_INFO = Extra("gpu", INFO, "What identifies the GPU", (*_CARD, "pci_bus_id"))
GPU_UP = Extra("gpu_up", GAUGE, "0 when the GPU is lost, or gives an error instead of readings", _CARD)
THROTTLE = Extra(
    "gpu_throttle_active", GAUGE, "1 while this reason holds the clock; `idle` is one", (*_CARD, "reason")
)
OWNER_MEMORY = Extra(
    "gpu_owner_memory_bytes", GAUGE, "GPU memory of the user's processes", ("uuid", "user"), _BYTES
)
OWNER_PROCESSES = Extra("gpu_owner_processes", GAUGE, "The user's processes on the GPU", ("uuid", "user"))
JOBS = Extra("jobs", GAUGE, "Jobs of gpubox-tui by state", ("state",))
ALERTS = Extra("alerts", GAUGE, "Active alerts by severity", ("severity",))
ALERT_ACTIVE = Extra("alert_active", GAUGE, "1 for each active alert; gone when it is cleared", _ALERT)
ALERT_SINCE = Extra("alert_since_timestamp_seconds", GAUGE, "When the alert was raised", _ALERT, _TIME)

SERVICE_EXTRAS = (UP, FRAME_TIME, FRAME_INTERVAL, SERVICE_CPU, SERVICE_MEMORY, SERVICE_READING)
GPU_EXTRAS = (GPU_INFO, GPU_UP, THROTTLE, OWNER_MEMORY, OWNER_PROCESSES)
OTHER_EXTRAS = (HOST_INFO, JOBS, ALERTS, ALERT_ACTIVE, ALERT_SINCE)


def families(frame: Row, *, dcgm: bool = False) -> List[Family]:
    """Return the families of a frame, in the order of the tables; `dcgm` adds the names of DCGM.

    What the box does not give has no series.
    """
    sample: Row = frame.get("sample") or {}
    gpus = _objects(field(sample, "gpus"))
    host: Row = field(sample, "host") or {}
    found = [
        *_service(frame, sample),
        *_gpus(gpus),
        *_owners(frame.get("owners") or ()),
        *_host(host, field(sample, "driver")),
        *_jobs(frame.get("jobs") or {}),
        *_alerts(frame.get("alerts") or ()),
    ]
    if dcgm:
        found += _dcgm(gpus, str(field(host, "hostname") or frame.get("host") or ""))
    return [family for family in found if family.series]


def card(gpu: Row) -> Labels:
    """Return the labels of every series of a GPU."""
    return {"gpu": field(gpu, "index"), "uuid": field(gpu, "uuid"), "model": field(gpu, "name")}


def _objects(rows: Any) -> List[Row]:
    return [cast(Row, row) for row in rows or () if isinstance(row, dict)]


def _service(frame: Row, sample: Row) -> List[Family]:
    healthy = not field(sample, "faults") or without_gpus(sample)
    cost = field(sample, "probe")
    cpu, tick = field(cost, "cpu"), field(cost, "tick")
    values = {
        UP: int(healthy) if sample else None,
        FRAME_TIME: frame.get("time"),
        FRAME_INTERVAL: field(sample, "interval"),
        SERVICE_CPU: None if cpu is None else cpu / 100,
        SERVICE_MEMORY: field(cost, "memory"),
        SERVICE_READING: None if tick is None else tick / 1000,
    }
    return [extra.family([({}, value)]) for extra, value in values.items()]


def _table(subject: str, rows: Sequence[Row], labels: Callable[[Row], Labels]) -> List[Family]:
    """Return the families of the table of metrics for the records of a subject."""
    found: List[Family] = []
    for row in exported(subject):
        values = [(labels(record), row.of(record)) for record in rows]
        series = [Series(names, value) for names, value in values if value is not None]
        found.append(Family(row.name, row.kind, row.metric.help, series, row.unit.name))
    return found


def _gpus(gpus: Sequence[Row]) -> List[Family]:
    readable = [(card(gpu), int(field(gpu, "lost_at") is None and not field(gpu, "fault"))) for gpu in gpus]
    holding = [
        ({**card(gpu), "reason": reason.code}, int(bool(mask & reason.bit)))
        for gpu in gpus
        for mask in (field(gpu, "throttle"),)
        if isinstance(mask, int)
        for reason in throttle.REASONS
    ]
    info = [({**card(gpu), "pci_bus_id": field(gpu, "bus")}, 1) for gpu in gpus]
    return [
        GPU_INFO.family(info),
        GPU_UP.family(readable),
        *_table(GPU, gpus, card),
        THROTTLE.family(holding),
    ]


def _owners(owners: Iterable[Row]) -> List[Family]:
    rows = [({"uuid": row.get("uuid"), "user": row.get("user")}, row) for row in owners]
    return [
        OWNER_MEMORY.family((labels, row.get("gpu_memory")) for labels, row in rows),
        OWNER_PROCESSES.family((labels, row.get("processes")) for labels, row in rows),
    ]


def _host(host: Row, driver: Row) -> List[Family]:
    # One that hangs or refuses says 0 for its size.
    sized = [disk if field(disk, "total") else _without_size(disk) for disk in _objects(field(host, "disks"))]
    names = {key: field(host, key) for key in HOST_INFO.labels[:5]}
    info = {**names, "driver": field(driver, "version"), "cuda": field(driver, "cuda")}
    return [
        HOST_INFO.family([(info, 1)] if host else ()),
        *_table(HOST, [host], lambda _: {}),
        *_table(DISK, sized, lambda disk: {key: field(disk, key) for key in _MOUNT}),
    ]


def _without_size(disk: Row) -> Row:
    return {key: value for key, value in disk.items() if key not in ("used", "total")}


def _jobs(jobs: Row) -> List[Family]:
    return [JOBS.family(({"state": state}, jobs.get(state)) for state in JOB_STATES)]


def _alerts(alerts: Sequence[Row]) -> List[Family]:
    rows = [
        (
            {
                "rule": row.get("code"),
                "subject": row.get("subject"),
                "severity": row.get("severity"),
                "uuid": row.get("about"),
            },
            row.get("since"),
        )
        for row in alerts
    ]
    words = [severity.word for severity in reversed(Severity) if severity >= Severity.WARNING]
    counts = [({"severity": word}, sum(labels["severity"] == word for labels, _ in rows)) for word in words]
    return [
        ALERTS.family(counts),
        ALERT_ACTIVE.family((labels, 1) for labels, _ in rows),
        ALERT_SINCE.family(rows),
    ]


def _dcgm(gpus: Sequence[Row], hostname: str) -> List[Family]:
    found: List[Family] = []
    for row in DCGM_FIELDS:
        unit = f" in {row.unit}" if row.unit else ""
        series = [Series(_dcgm_labels(gpu, hostname), value) for gpu in gpus for value in (row.of(gpu),)
                  if value is not None]  # fmt: skip
        found.append(Family(row.family, GAUGE, f"The field {row.name} of DCGM{unit}", series))
    return found


def _dcgm_labels(gpu: Row, hostname: str) -> Labels:
    index = field(gpu, "index")
    return {
        "gpu": index,
        "UUID": field(gpu, "uuid"),
        "device": f"nvidia{index}",
        "modelName": field(gpu, "name"),
        "Hostname": hostname,
    }
