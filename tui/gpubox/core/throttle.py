"""Why a GPU runs slower than it could, in words.

Bits are those of nvmlClocksEventReasons in nvml.h (called nvmlClocksThrottleReasons before driver 535).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Weight(IntEnum):
    """How much a reason should worry its reader."""

    CALM = 0
    """Normal: idle, or running at its power limit."""
    NOTICE = 1
    """Somebody's setting holds the clock."""
    ALARM = 2
    """Heat or the power supply holds the clock."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One bit of the mask."""

    bit: int
    short: str
    text: str
    weight: Weight


REASONS = (
    Reason(
        0x080,
        "power brake",
        "the power supply or the board pulls the brake; check PSU and cables",
        Weight.ALARM,
    ),
    Reason(
        0x040, "hot (hw)", "too hot: the hardware halves the clock; check fan, dust and airflow", Weight.ALARM
    ),
    Reason(0x020, "hot", "above its target temperature: the driver lowers the clock", Weight.ALARM),
    Reason(0x008, "hw slowdown", "the hardware lowers the clock: heat or power supply", Weight.ALARM),
    Reason(0x004, "power cap", "at its power limit; normal under full load", Weight.CALM),
    Reason(0x002, "clock setting", "held by the application clocks that somebody set", Weight.NOTICE),
    Reason(0x010, "sync boost", "held to the slowest GPU of its sync boost group", Weight.NOTICE),
    Reason(0x100, "display clock", "held by the clock that a display needs", Weight.NOTICE),
    Reason(0x001, "idle", "nothing to do", Weight.CALM),
)


def reasons(mask: int | None) -> tuple[Reason, ...]:
    """Return the reasons of a mask, most worrying first; unknown bits come as one reason, None as none."""
    if not mask:
        return ()
    known = tuple(reason for reason in REASONS if mask & reason.bit)
    rest = mask & ~sum(reason.bit for reason in REASONS)
    if rest:
        known += (Reason(rest, f"0x{rest:x}", "a reason this version does not know", Weight.NOTICE),)
    return tuple(sorted(known, key=lambda reason: -reason.weight))
