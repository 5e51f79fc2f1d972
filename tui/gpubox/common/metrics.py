"""Everything that is measured, in one table: name, unit, meaning, and how it is read from a record.

A record is a struct of `gpubox.core.sample` on this machine and a dict of the same fields on the box.
History, graphs and rules read records through this table only. A row without `read` is the field of that
name, so a new reading is one new row here and one new field of the sample.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, cast

from gpubox.common import throttle, units
from gpubox.common.xid import UNLISTED, XIDS

GPU, HOST, DISK, PROCESS, LINK = "gpu", "host", "disk", "process", "link"
"""The subjects of metrics."""


class Metric(NamedTuple):
    """One row of the table."""

    name: str
    unit: str
    """A key of `SHOWN`: `%`, `B`, `°C` and so on; empty for counts, texts and truths."""
    help: str
    read: Callable[[Any], Any] | None = None
    """Computes the value from a record; None reads the field of the same name."""
    recorded: bool = False
    """Whether history keeps it."""
    graphed: bool = False
    """Whether the history panel draws it."""

    def of(self, record: object) -> Any:
        """Return the value in a record, or None when the record does not give it."""
        return field(record, self.name) if self.read is None else self.read(record)

    def show(self, value: Any, temperature_unit: str = "celsius") -> str:
        """Format a value; a dash when unknown."""
        if self.unit == "°C":
            return units.temperature(value, temperature_unit)
        return SHOWN[self.unit](value)


def field(record: object, name: str) -> Any:
    """Return a field of a struct or of a dict, or None when it is not there."""
    if isinstance(record, dict):
        return cast("dict[str, Any]", record).get(name)
    return getattr(record, name, None)


def _plain(value: object) -> str:
    return units.DASH if value is None else str(value)


SHOWN: Mapping[str, Callable[[Any], str]] = {
    "": _plain,
    "%": units.percent,
    "B": units.size,
    "B/s": units.rate,
    "°C": units.celsius,
    "W": units.watts,
    "MHz": units.megahertz,
    "J": _plain,
    "s": units.duration,
    "time": units.clock_time,
}
"""Formatters by unit; `time` is a moment, in seconds since the epoch."""


def share(used: float | None, total: float | None) -> float | None:
    """Return used / total in percent, or None when either is unknown or the total is 0."""
    if used is None or not total:
        return None
    return 100.0 * used / total


def lanes(generation: int | None, width: int | None) -> str | None:
    """Return a PCIe link such as `4×16`, with ? for a part that is unknown; None when both are."""
    if generation is None and width is None:
        return None
    return f"{generation or '?'}×{width or '?'}"


def host_memory_used(host: object) -> float | None:
    """Return the bytes of the machine's memory that programs hold."""
    total, available = field(host, "memory_total"), field(host, "memory_available")
    return None if total is None or available is None else total - available


def _rows(name: str) -> Callable[[object], Any]:
    return lambda gpu: field(field(gpu, "remapped_rows"), name)


def _instances(gpu: object) -> int | None:
    return len(field(gpu, "mig_instances") or ()) if field(gpu, "mig") else None


def _gpu_memory(gpu: object) -> float | None:
    return share(field(gpu, "memory_used"), field(gpu, "memory_total"))


def _margin(gpu: object) -> float | None:
    temperature, slowdown = field(gpu, "temperature"), field(gpu, "temperature_slowdown")
    return slowdown - temperature if slowdown and temperature is not None else None  # some say 0 for none


def _link(gpu: object) -> str | None:
    return lanes(field(gpu, "pcie_gen"), field(gpu, "pcie_width"))


def _best_link(gpu: object) -> str | None:
    return lanes(field(gpu, "pcie_gen_max"), field(gpu, "pcie_width_max"))


def _failure(gpu: object) -> str | None:
    """Return the driver's error for a GPU that it cannot read; None for a working one."""
    return field(gpu, "fault") or (None if field(gpu, "lost_at") is None else "GPU is lost")


def _xid_note(gpu: object) -> str:
    xid = field(gpu, "xid")
    return "" if xid is None else f" (Xid {xid})"


def _xid_meaning(gpu: object) -> str | None:
    xid = field(gpu, "xid")
    return None if xid is None else XIDS.get(xid, UNLISTED).words


def _xid_step(gpu: object) -> str | None:
    xid = field(gpu, "xid")
    return None if xid is None else XIDS.get(xid, UNLISTED).what_to_do(field(gpu, "index"))


def _unknown_reasons(gpu: object) -> str | None:
    mask = throttle.unknown(field(gpu, "throttle") or 0)
    return f"0x{mask:x}" if mask else None


GPU_METRICS = (
    Metric("util", "%", "Share of time that kernels ran", recorded=True, graphed=True),
    Metric("memory", "%", "How full the memory is", _gpu_memory, recorded=True, graphed=True),
    Metric("temperature", "°C", "Temperature of the chip", recorded=True, graphed=True),
    Metric("power", "W", "Power that the card takes", recorded=True, graphed=True),
    Metric("fan", "%", "Speed of the fan", recorded=True),
    Metric("memory_util", "%", "Share of time that memory was read or written"),
    Metric("memory_used", "B", "Memory in use"),
    Metric("memory_total", "B", "Memory of the card"),
    Metric("temperature_slowdown", "°C", "Temperature from which the card slows itself down"),
    Metric("temperature_margin", "°C", "Degrees that are left until the card slows itself down", _margin),
    Metric("temperature_shutdown", "°C", "Temperature from which the card switches itself off"),
    Metric("temperature_memory", "°C", "Temperature of the memory"),
    Metric("power_limit", "W", "Power that the card may take"),
    Metric("energy", "J", "Energy since the driver was loaded"),
    Metric("clock_sm", "MHz", "SM clock"),
    Metric("clock_sm_max", "MHz", "Highest SM clock"),
    Metric("clock_memory", "MHz", "Memory clock"),
    Metric("clock_memory_max", "MHz", "Highest memory clock"),
    Metric("pstate", "", "Performance state: 0 is the fastest"),
    Metric("throttle", "", "Bit mask of the reasons that hold the clock"),
    Metric("pcie_gen", "", "PCIe generation now"),
    Metric("pcie_gen_max", "", "PCIe generation that the card can"),
    Metric("pcie_width", "", "PCIe lanes now"),
    Metric("pcie_width_max", "", "PCIe lanes that the card can"),
    Metric("pcie_link", "", "PCIe generation and lanes now", _link),
    Metric("pcie_link_max", "", "PCIe generation and lanes that the card can", _best_link),
    Metric("pcie_rx", "B/s", "Data to the card"),
    Metric("pcie_tx", "B/s", "Data from the card"),
    Metric("encoder", "%", "Load of the video encoder"),
    Metric("decoder", "%", "Load of the video decoder"),
    Metric("ecc_corrected", "", "Memory errors that ECC corrected since the driver was loaded"),
    Metric("ecc_uncorrected", "", "Memory errors that ECC could not correct since the driver was loaded"),
    Metric("rows_correctable", "", "Memory rows replaced after errors that were corrected",
           _rows("correctable")),
    Metric("rows_uncorrectable", "", "Memory rows replaced after hard errors", _rows("uncorrectable")),
    Metric("rows_pending", "", "Whether rows wait for a reset to be replaced", _rows("pending")),
    Metric("rows_failed", "", "Whether replacing a row failed", _rows("failed")),
    Metric("retired_pages", "", "Memory pages taken out of use"),
    Metric("mig_count", "", "MIG instances", _instances),
    Metric("xid", "", "Number of the last Xid error event"),
    Metric("xid_at", "time", "When the last Xid error event came"),
    Metric("lost_at", "time", "When the GPU was lost"),
    Metric("failure", "", "What the driver says instead of readings", _failure),
    Metric("xid_note", "", "The last Xid error event in brackets", _xid_note),
    Metric("xid_meaning", "", "What the last Xid error event means", _xid_meaning),
    Metric("xid_step", "", "What to do after the last Xid error event", _xid_step),
    Metric("throttle_unknown", "", "Reasons that hold the clock and have no words here", _unknown_reasons),
    Metric("index", "", "Number of the GPU"),
)  # fmt: skip


def _host_memory(host: object) -> float | None:
    return share(host_memory_used(host), field(host, "memory_total"))


def _fullness(disk: object) -> float | None:
    return share(field(disk, "used"), field(disk, "total"))


def _free(disk: object) -> float | None:
    total = field(disk, "total")
    return max(0, total - (field(disk, "used") or 0)) if total else None


HOST_METRICS = (
    Metric("cpu", "%", "Load of all processors together", recorded=True, graphed=True),
    Metric("memory", "%", "How full the memory is",
           _host_memory, recorded=True, graphed=True),
    Metric("memory_total", "B", "Memory of the machine, or of its container"),
    Metric("memory_available", "B", "Memory that programs may still take"),
    Metric("cpu_limit", "", "CPUs that the container may use"),
    Metric("memory_limit", "B", "Memory that the container may use"),
    Metric("swap_total", "B", "Swap space"),
    Metric("swap_used", "B", "Swap space in use"),
    Metric("disk_read", "B/s", "Data read from disks"),
    Metric("disk_write", "B/s", "Data written to disks"),
    Metric("net_receive", "B/s", "Data received from the network"),
    Metric("net_send", "B/s", "Data sent to the network"),
    Metric("uptime", "s", "Time since the machine booted"),
    Metric("temperature", "°C", "Temperature of the hottest processor sensor"),
    Metric("processes", "", "Processes on the machine"),
)  # fmt: skip

DISK_METRICS = (
    Metric("fullness", "%", "How full the disk is", _fullness),
    Metric("free", "B", "Room on the disk", _free),
    Metric("used", "B", "Room in use"),
    Metric("total", "B", "Size of the disk"),
    Metric("hangs", "s", "Time for which the disk has given no answer"),
)  # fmt: skip

PROCESS_METRICS = (
    Metric("gpu_memory", "B", "Memory of the GPU that the process holds"),
    Metric("sm", "%", "Share of time that kernels of the process ran"),
    Metric("cpu", "%", "Load of one core"),
    Metric("memory", "B", "Resident memory of the host"),
    Metric("started", "time", "When the process was started"),
)

LINK_METRICS = (
    Metric("age", "s", "Time since the newest reading came"),
    Metric("interval", "s", "Time between two readings"),
)

METRICS: Mapping[str, tuple[Metric, ...]] = {
    GPU: GPU_METRICS,
    HOST: HOST_METRICS,
    DISK: DISK_METRICS,
    PROCESS: PROCESS_METRICS,
    LINK: LINK_METRICS,
}
"""The table, by subject."""
_BY_NAME: dict[tuple[str, str], Metric] = {
    (subject, metric.name): metric for subject, rows in METRICS.items() for metric in rows
}


def metric(subject: str, name: str) -> Metric:
    """Return the row of a metric; a name without a row is a plain field of the record."""
    return _BY_NAME.get((subject, name)) or Metric(name, "", "")


def recorded(subject: str) -> tuple[Metric, ...]:
    """Return the metrics of a subject that history keeps."""
    return tuple(row for row in METRICS[subject] if row.recorded)


def graphed(subject: str) -> tuple[Metric, ...]:
    """Return the metrics of a subject that the history panel draws, in its order."""
    return tuple(row for row in METRICS[subject] if row.graphed)
