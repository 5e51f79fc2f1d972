"""What both ends agree on about a sample: its version, its longest texts and which readings are possible."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    Row = Dict[str, object]


WIRE = 1
NAME_LIMIT = 64
COMMAND_LIMIT = 256
DRIVER_VERSION = re.compile(r"(\d{2,4}\.\d+(?:\.\d+)?)")


def given(row: Row) -> Row:
    """Return the row without unknown values."""
    return {key: value for key, value in row.items() if value is not None}


POSSIBLE: dict[str, tuple[float, float]] = {
    "util": (0, 100),
    "memory_util": (0, 100),
    "encoder": (0, 100),
    "decoder": (0, 100),
    "fan": (0, 200),
    "power": (0, 20_000),
    "power_limit": (0, 20_000),
    "temperature": (-60, 250),
    "temperature_memory": (1, 250),
    "temperature_slowdown": (1, 250),
    "temperature_shutdown": (1, 250),
    "clock_sm": (0, 50_000),
    "clock_sm_max": (0, 50_000),
    "clock_memory": (0, 50_000),
    "clock_memory_max": (0, 50_000),
    "pstate": (0, 15),
    "pcie_gen": (0, 32),
    "pcie_gen_max": (0, 32),
    "pcie_width": (0, 64),
    "pcie_width_max": (0, 64),
    "pcie_rx": (0, 1 << 42),
    "pcie_tx": (0, 1 << 42),
    "memory_used": (0, 1 << 50),
    "memory_total": (0, 1 << 50),
    "gpu_memory": (0, 1 << 50),
    "energy": (0, 1e15),
    "throttle": (0, (1 << 63) - 1),
    "ecc_corrected": (0, (1 << 63) - 1),
    "ecc_uncorrected": (0, (1 << 63) - 1),
}
"""Plausible range of each reading: drivers give -1 as 4294967295; a fan may run over 100 percent."""


def impossible(field: str, value: object) -> str:
    """Return why a reading is impossible; empty for a plausible one."""
    bounds = POSSIBLE.get(field)
    if bounds is None or not isinstance(value, (int, float)) or bounds[0] <= value <= bounds[1]:
        return ""
    return "Impossible reading: %s" % str(value)[:24]
