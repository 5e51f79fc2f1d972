"""Whether there is room on the disks."""

from __future__ import annotations

from shlex import quote

from gpubox.boxes.checks.check import Check, Gathered, Outcome, Result, unknown
from gpubox.boxes.checks.system.facts import DiskLimits, FileSystem, SystemFacts
from gpubox.common.rules.rule import level
from gpubox.common.severity import Severity
from gpubox.common.units import size
from gpubox.core.sanitize import clean

_UNIMPORTANT = ("/boot/efi", "/efi", "/boot/firmware")
"""Small, and written by updates of the firmware only."""
_OUTCOMES = {Severity.CRITICAL: Outcome.FAILED, Severity.WARNING: Outcome.WARNING, None: Outcome.OK}
"""What the rules `disk-full` and `disk-nearly-full` come to as a check."""
_STEP = "du -xh --max-depth=2 {path} 2>/dev/null | sort -h | tail -20"


def _judge(gathered: Gathered) -> Result:
    mounts = gathered.of(SystemFacts).mounts
    known = [one for one in mounts if one.size > 0 and not one.read_only and one.path not in _UNIMPORTANT]
    silent = [_silence(one) for one in mounts if not one.answered]
    if not known:
        return unknown("; ".join(silent) or "No disk gave its size", "df -h")
    worst = max(known, key=lambda one: (_fullness(one), -one.free))
    lines = tuple(_said(one) for one in sorted(known, key=_fullness, reverse=True))
    lines = lines if len(lines) > 1 else ()
    outcome = _OUTCOMES[level(_fullness(worst), gathered.of(DiskLimits).percent)]
    step = _STEP.format(path=quote(clean(worst.path, 60))) if outcome is not Outcome.OK else ""
    if silent and outcome is Outcome.OK:
        return Result(Outcome.WARNING, silent[0], "df -h, and look at the server of that disk", "", lines)
    return Result(outcome, _said(worst), step, "", (*lines, *silent))


def _silence(one: FileSystem) -> str:
    return (
        f"{clean(one.path, 60)}: {clean(one.fault, 60)}"
        if one.fault
        else f"{clean(one.path, 60)} does not answer"
    )


def _fullness(one: FileSystem) -> float:
    return 100.0 * (1 - one.free / one.size)


def _said(one: FileSystem) -> str:
    return f"{size(one.free)} of {size(one.size)} free on {clean(one.path, 60)} ({_fullness(one):.0f}% used)"


CHECK = Check(
    id="system.disk",
    title="There is room on the disks",
    why="A training that cannot write its checkpoint ends, a full /home stops logins of a desktop, and a "
    "full / or /var stops updates, logs and databases. Caches are the usual cause: those of conda, pip, "
    "Hugging Face and Docker may be deleted, and come back when they are needed. From when a disk counts as "
    "full is `thresholds.disk` of the settings, as in the panel.",
    command="df -h",
    needs=(SystemFacts, DiskLimits),
    judge=_judge,
)
