"""The names and units of metrics in Prometheus, derived from the table of metrics.

Names follow the conventions of Prometheus (https://prometheus.io/docs/practices/naming): base units (bytes,
seconds, hertz, shares from 0 to 1), the unit at the end, and `_total` after what only grows.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple

from gpubox.common.metrics import DISK, GPU, HOST, LINK, METRICS, PROCESS, Metric

PREFIX = "gpubox"
GAUGE, COUNTER, INFO = "gauge", "counter", "info"
"""Types of metrics, by the words of OpenMetrics."""


class BaseUnit(NamedTuple):
    """How a unit of the table of metrics becomes a base unit."""

    name: str
    """The end of the metric's name; empty for counts."""
    factor: float = 1
    divisor: float = 1

    def of(self, value: float) -> float:
        """Return a value in the base unit."""
        if self.divisor != 1:
            return value / self.divisor
        return value if self.factor == 1 else value * self.factor


UNITS: Mapping[str, BaseUnit] = {
    "": BaseUnit(""),
    "%": BaseUnit("ratio", divisor=100),
    "B": BaseUnit("bytes"),
    "B/s": BaseUnit("bytes_per_second"),
    "°C": BaseUnit("celsius"),
    "W": BaseUnit("watts"),
    "MHz": BaseUnit("hertz", factor=1_000_000),
    "J": BaseUnit("joules"),
    "s": BaseUnit("seconds"),
    "time": BaseUnit("timestamp_seconds"),
}
"""Base units by the units of the table of metrics."""

_RENAMED: Mapping[tuple[str, str], str] = {
    (GPU, "util"): "utilization",
    (GPU, "memory"): "memory_used",
    (GPU, "memory_util"): "memory_utilization",
    (GPU, "fan"): "fan_speed",
    (GPU, "encoder"): "encoder_utilization",
    (GPU, "decoder"): "decoder_utilization",
    (GPU, "ecc_corrected"): "ecc_corrected_errors",
    (GPU, "ecc_uncorrected"): "ecc_uncorrected_errors",
    (GPU, "rows_correctable"): "remapped_rows_correctable",
    (GPU, "rows_uncorrectable"): "remapped_rows_uncorrectable",
    (GPU, "rows_pending"): "remapped_rows_pending",
    (GPU, "rows_failed"): "remapped_rows_failed",
    (GPU, "mig_count"): "mig_instances",
    (GPU, "xid"): "last_xid",
    (GPU, "xid_at"): "last_xid",
    (GPU, "lost_at"): "lost",
    (HOST, "cpu"): "cpu_utilization",
    (HOST, "memory"): "memory_used",
    (HOST, "cpu_limit"): "cpu_limit_cores",
    (HOST, "net_receive"): "network_receive",
    (HOST, "net_send"): "network_send",
    (DISK, "fullness"): "used",
    (DISK, "total"): "size",
    (DISK, "hangs"): "unanswered",
}
"""Names that would be too short, or that promtool refuses (`_count`), without the unit."""

_COUNTERS = {
    (GPU, "energy"),
    (GPU, "ecc_corrected"),
    (GPU, "ecc_uncorrected"),
    (GPU, "rows_correctable"),
    (GPU, "rows_uncorrectable"),
    (GPU, "retired_pages"),
}
"""What only grows until the driver is loaded again, or for the life of the card."""

LEFT_OUT: Mapping[tuple[str, str], str] = {
    (GPU, "pcie_link"): "a text; its numbers are `gpubox_gpu_pcie_gen` and `gpubox_gpu_pcie_width`",
    (
        GPU,
        "pcie_link_max",
    ): "a text; its numbers are `gpubox_gpu_pcie_gen_max` and `gpubox_gpu_pcie_width_max`",
    (GPU, "throttle"): "a bit mask: `gpubox_gpu_throttle_active` has a series for each reason",
    (GPU, "throttle_unknown"): "a text: the alert `gpu-throttle-unknown` says that there is one",
    (GPU, "failure"): "a text: `gpubox_gpu_up` is 0",
    (GPU, "xid_note"): "a text about `gpubox_gpu_last_xid`",
    (GPU, "xid_meaning"): "a text about `gpubox_gpu_last_xid`",
    (GPU, "xid_step"): "a text about `gpubox_gpu_last_xid`",
    (GPU, "index"): "the label `gpu`",
    **{
        (PROCESS, row.name): "nothing is exported by pid: `gpubox_gpu_owner_…` sums it up by user"
        for row in METRICS[PROCESS]
    },
    **{
        (LINK, row.name): "only the laptop knows it; `up` of Prometheus says the same"
        for row in METRICS[LINK]
    },
}
"""Metrics of the table that have no number of their own in Prometheus, and why."""


class Exported(NamedTuple):
    """A metric of the table as Prometheus gets it."""

    metric: Metric
    subject: str
    name: str
    """The name of its family: without `_total` for a counter."""
    kind: str
    unit: BaseUnit

    @property
    def series(self) -> str:
        """The name of its series, as queries have it."""
        return f"{self.name}_total" if self.kind == COUNTER else self.name

    def of(self, record: object) -> float | None:
        """Return the value in a record in the base unit, or None when the record does not give a number."""
        value = self.metric.of(record)
        if not isinstance(value, (int, float)):
            return None
        return int(value) if isinstance(value, bool) else self.unit.of(value)


def exported(subject: str) -> tuple[Exported, ...]:
    """Return the metrics of a subject that Prometheus gets, in the order of the table."""
    return _EXPORTED[subject]


def of_metric(subject: str, name: str) -> Exported | None:
    """Return a metric of the table as Prometheus gets it; None for one that it does not get."""
    return next((row for row in _EXPORTED.get(subject, ()) if row.metric.name == name), None)


def _row(subject: str, metric: Metric) -> Exported:
    unit = UNITS[metric.unit]
    key = (subject, metric.name)
    stem = _RENAMED.get(key, metric.name)
    name = f"{PREFIX}_{subject}_{stem}" + (f"_{unit.name}" if unit.name else "")
    return Exported(metric, subject, name, COUNTER if key in _COUNTERS else GAUGE, unit)


_EXPORTED: Mapping[str, tuple[Exported, ...]] = {
    subject: tuple(_row(subject, row) for row in rows if (subject, row.name) not in LEFT_OUT)
    for subject, rows in METRICS.items()
}
