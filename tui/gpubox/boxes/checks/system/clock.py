"""Whether the clocks of the box and of this machine agree."""

from __future__ import annotations

from gpubox.boxes.checks.check import CannotLook, Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.system.facts import LaptopClock, SystemFacts
from gpubox.common.units import duration

_APART = 2.0
_FAR = 30.0
"""Seconds for which a one-time code of a login is valid."""


def _judge(gathered: Gathered) -> Result:
    clock = gathered.of(LaptopClock)
    apart = abs(clock.offset)
    sure = max(0.0, apart - clock.uncertainty)
    about = f"{apart:.1f} s" if apart < 60 else duration(apart)
    if sure < _APART:
        if apart < _APART:
            return ok(f"They agree to {max(apart, clock.uncertainty):.1f} s", value="same")
        return ok(
            f"They agree as far as the slow link shows: to {apart + clock.uncertainty:.0f} s", value="same"
        )
    order = "ahead" if clock.offset > 0 else "behind"
    text = f"The box is {about} {order}{' of' if order == 'ahead' else ''} this machine"
    step = (
        "The box is synchronized: correct the clock of this machine"
        if _synced(gathered)
        else "On the box: sudo timedatectl set-ntp true"
    )
    return warning(text, step, value=order) if sure >= _FAR else hint(text, step, value=order)


def _synced(gathered: Gathered) -> bool:
    try:
        return gathered.of(SystemFacts).synced is True
    except CannotLook:
        return False  # the difference is worth a line without this


CHECK = Check(
    id="system.clock",
    title="The clocks of the box and of this machine agree",
    why="Times of jobs and of samples come from the clock of the box, and ages are counted by that of "
    "this machine. One-time codes for logins stop working when the clocks are 30 s apart, tickets of "
    "Kerberos at 5 minutes. The question takes the way to the box and back, and the answer is only as "
    "exact as half of that.",
    command="date",
    needs=(LaptopClock, SystemFacts),
    judge=_judge,
)
