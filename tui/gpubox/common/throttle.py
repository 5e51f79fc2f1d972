"""Why a GPU runs slower than it could, in words.

Bits are those of nvmlClocksEventReasons in nvml.h (called nvmlClocksThrottleReasons before driver 535).
"""

from __future__ import annotations

from typing import NamedTuple

from gpubox.common.severity import Severity

IDLE = 0x001
CLOCK_SETTING = 0x002
POWER_CAP = 0x004
HARDWARE_SLOWDOWN = 0x008
SYNC_BOOST = 0x010
SOFTWARE_THERMAL = 0x020
HARDWARE_THERMAL = 0x040
POWER_BRAKE = 0x080
DISPLAY_CLOCK = 0x100
HEAT = SOFTWARE_THERMAL | HARDWARE_THERMAL
"""The bits that say that heat holds the clock."""


class Reason(NamedTuple):
    """One bit of the mask."""

    bit: int
    code: str
    """Names the reason in findings: `gpu-throttle-` and this."""
    short: str
    text: str
    severity: Severity


REASONS = (
    Reason(
        POWER_BRAKE,
        "power-brake",
        "power brake",
        "the power supply or the board pulls the brake; check PSU and cables",
        Severity.CRITICAL,
    ),
    Reason(
        HARDWARE_THERMAL,
        "hardware-thermal",
        "hot (hw)",
        "too hot: the hardware halves the clock; check fan, dust and airflow",
        Severity.CRITICAL,
    ),
    Reason(
        SOFTWARE_THERMAL,
        "software-thermal",
        "hot",
        "above its target temperature: the driver lowers the clock",
        Severity.CRITICAL,
    ),
    Reason(
        HARDWARE_SLOWDOWN,
        "hardware-slowdown",
        "hw slowdown",
        "the hardware lowers the clock: heat or power supply",
        Severity.CRITICAL,
    ),
    Reason(POWER_CAP, "power-cap", "power cap", "at its power limit; normal under full load", Severity.INFO),
    Reason(
        CLOCK_SETTING,
        "clock-setting",
        "clock setting",
        "held by the application clocks that somebody set",
        Severity.WARNING,
    ),
    Reason(
        SYNC_BOOST,
        "sync-boost",
        "sync boost",
        "held to the slowest GPU of its sync boost group",
        Severity.WARNING,
    ),
    Reason(
        DISPLAY_CLOCK,
        "display-clock",
        "display clock",
        "held by the clock that a display needs",
        Severity.WARNING,
    ),
    Reason(IDLE, "idle", "idle", "nothing to do", Severity.INFO),
)
KNOWN = sum(reason.bit for reason in REASONS)
"""Every bit that this version has words for."""


def unknown(mask: int) -> int:
    """Return the bits of a mask that this version has no words for."""
    return mask & ~KNOWN
