"""Whether the box may fall asleep during a training."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.fix import Fix, UndoableCommand
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.common.units import duration
from gpubox.core.sanitize import clean

_TARGETS = ("sleep.target", "suspend.target", "hibernate.target", "hybrid-sleep.target")
_MASK = f"sudo systemctl mask {' '.join(_TARGETS)}"
_NEEDED = "suspend.target"
_HARMLESS = ("", "ignore", "lock")
_SLEPT = 5.0
"""Seconds by which the clocks of a machine that never slept may differ."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if facts.bare:
        return not_here("Sleep is up to the host of the container")
    if "sleep.target" in facts.masked or _NEEDED in facts.masked:
        return ok("It cannot fall asleep: the sleep targets of systemd are masked", value="never")
    if facts.can_suspend is None:
        return unknown(
            "The box did not say in time what may put it to sleep",
            "systemd-analyze cat-config systemd/logind.conf",
        )
    slept = facts.slept or 0.0
    reasons = _reasons(facts)
    if slept > _SLEPT:
        return warning(
            f"It slept for {duration(slept)} since it was booted",
            _MASK,
            value="sleeps",
            details=reasons,
            fix=_fix(facts),
        )
    if not facts.can_suspend:
        return ok("Its kernel cannot suspend it", value="never")
    if reasons:
        return warning(reasons[0], _MASK, value="sleeps", details=reasons[1:], fix=_fix(facts))
    maybe = _maybe(facts)
    if maybe:
        return hint(maybe[0], _MASK, value="may sleep", details=maybe[1:], fix=_fix(facts))
    return ok("No setting that was found puts it to sleep", value="awake")


def _fix(facts: SystemFacts) -> Fix:
    """Return the fix that masks the targets; one that is masked already is none of its business."""
    targets = tuple(target for target in _TARGETS if target not in facts.masked)
    return Fix(
        "Keep the box awake",
        "Nothing can put the box to sleep any more: no desktop, no lid, no key.",
        commands=(UndoableCommand(("systemctl", "mask", *targets), ("systemctl", "unmask", *targets)),),
    )


def _reasons(facts: SystemFacts) -> tuple[str, ...]:
    """Return what puts the box to sleep without anybody touching it."""
    found: list[str] = []
    if facts.idle.lower() not in _HARMLESS:
        found.append(f"logind does this when nobody types: {clean(facts.idle, 30)}")
    found += [
        f"GNOME suspends it after {duration(one.seconds)} without a key or a mouse; ssh does not count"
        for one in facts.desktop_sleeps
        if one.desktop == "GNOME"
    ]
    return tuple(found)


def _maybe(facts: SystemFacts) -> tuple[str, ...]:
    """Return what may put the box to sleep."""
    found = [
        f"{clean(one.desktop, 20)} may suspend it after {duration(one.seconds)} without a key or a mouse"
        for one in facts.desktop_sleeps
        if one.desktop != "GNOME"
    ]
    if facts.greeter:
        found.append("The login screen of GNOME has power settings of its own, and may suspend it")
    if facts.has_lid and facts.lid.lower() not in _HARMLESS[1:]:
        found.append("It is a laptop, and sleeps when its lid is closed")
    return tuple(found)


CHECK = Check(
    id="system.sleep",
    title="The box does not fall asleep",
    why="A desktop counts keys and the mouse, not logins by ssh: it suspends a box in the middle of a "
    "training, and after it wakes up, the GPUs may be gone. Masked sleep targets are the strongest "
    "switch: nothing can put the machine to sleep then, neither a desktop nor a lid. `sudo systemctl "
    "unmask` of the same names takes it back.",
    command="systemctl status sleep.target suspend.target; systemd-analyze cat-config systemd/logind.conf",
    needs=(SystemFacts,),
    judge=_judge,
)
