"""The same readings under the names and in the units of NVIDIA's dcgm-exporter, for dashboards that exist.

Names and units are those of dcgm_fields.h of NVIDIA/DCGM. All are gauges: a counter would need another name.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

from gpubox.common.metrics import GPU, field, metric

MIB = 1024**2


class DcgmField(NamedTuple):
    """A field of DCGM."""

    name: str
    """Its name, without the prefix."""
    metric: str
    """The metric of a GPU that it stands for; names its row in the table of metrics."""
    unit: str
    """DCGM's unit, for people; empty for counts."""
    factor: float = 1
    read: Callable[[object], float | None] | None = None
    """Computes the value from a GPU in the unit of the table; None reads the metric."""

    @property
    def family(self) -> str:
        """The name in Prometheus."""
        return f"DCGM_FI_DEV_{self.name}"

    def of(self, gpu: object) -> float | None:
        """Return the value in DCGM's unit, or None when the GPU does not give a number."""
        value = metric(GPU, self.metric).of(gpu) if self.read is None else self.read(gpu)
        if not isinstance(value, (int, float)):
            return None
        return int(value) if isinstance(value, bool) else value if self.factor == 1 else value * self.factor


def _free(gpu: object) -> float | None:
    total, used = field(gpu, "memory_total"), field(gpu, "memory_used")
    return None if total is None or used is None else max(0, total - used)


DCGM_FIELDS = (
    DcgmField("GPU_UTIL", "util", "%"),
    DcgmField("MEM_COPY_UTIL", "memory_util", "%"),
    DcgmField("ENC_UTIL", "encoder", "%"),
    DcgmField("DEC_UTIL", "decoder", "%"),
    DcgmField("FB_USED", "memory_used", "MiB", 1 / MIB),
    DcgmField("FB_FREE", "memory", "MiB", 1 / MIB, _free),
    DcgmField("FB_TOTAL", "memory_total", "MiB", 1 / MIB),
    DcgmField("GPU_TEMP", "temperature", "°C"),
    DcgmField("MEMORY_TEMP", "temperature_memory", "°C"),
    DcgmField("SLOWDOWN_TEMP", "temperature_slowdown", "°C"),
    DcgmField("SHUTDOWN_TEMP", "temperature_shutdown", "°C"),
    DcgmField("FAN_SPEED", "fan", "%"),
    DcgmField("POWER_USAGE", "power", "W"),
    DcgmField("ENFORCED_POWER_LIMIT", "power_limit", "W"),
    DcgmField("TOTAL_ENERGY_CONSUMPTION", "energy", "mJ", 1000),
    DcgmField("SM_CLOCK", "clock_sm", "MHz"),
    DcgmField("MAX_SM_CLOCK", "clock_sm_max", "MHz"),
    DcgmField("MEM_CLOCK", "clock_memory", "MHz"),
    DcgmField("MAX_MEM_CLOCK", "clock_memory_max", "MHz"),
    DcgmField("PSTATE", "pstate", ""),
    DcgmField("CLOCK_THROTTLE_REASONS", "throttle", ""),
    DcgmField("PCIE_LINK_GEN", "pcie_gen", ""),
    DcgmField("PCIE_MAX_LINK_GEN", "pcie_gen_max", ""),
    DcgmField("PCIE_LINK_WIDTH", "pcie_width", ""),
    DcgmField("PCIE_MAX_LINK_WIDTH", "pcie_width_max", ""),
    DcgmField("ECC_SBE_VOL_TOTAL", "ecc_corrected", ""),
    DcgmField("ECC_DBE_VOL_TOTAL", "ecc_uncorrected", ""),
    DcgmField("CORRECTABLE_REMAPPED_ROWS", "rows_correctable", ""),
    DcgmField("UNCORRECTABLE_REMAPPED_ROWS", "rows_uncorrectable", ""),
    DcgmField("ROW_REMAP_PENDING", "rows_pending", ""),
    DcgmField("ROW_REMAP_FAILURE", "rows_failed", ""),
    DcgmField("XID_ERRORS", "xid", ""),
)
"""The fields of DCGM that a reading of ours has."""
