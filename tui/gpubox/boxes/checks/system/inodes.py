"""Whether the disks can hold more files."""

from __future__ import annotations

from shlex import quote

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, ok, unknown, warning
from gpubox.boxes.checks.system.facts import DiskLimits, FileSystem, SystemFacts
from gpubox.common.rules.rule import level
from gpubox.common.severity import Severity
from gpubox.core.sanitize import clean

_MANY = 1_000_000
"""With more free than this, the share says nothing."""


def _judge(gathered: Gathered) -> Result:
    mounts = gathered.of(SystemFacts).mounts
    if not any(one.answered for one in mounts):
        return unknown("No disk said how many files it holds", "df -i")
    counted = [one for one in mounts if one.inodes > 0 and not one.read_only]
    if not counted:
        return ok("Its file systems have no fixed number of files")
    worst = max(counted, key=_used)
    share = _used(worst)
    place, free = clean(worst.path, 60), max(0, worst.free_inodes)
    text = f"{share:.0f}% of the inodes of {place} are used, {free:,} are free"
    step = f"du --inodes -x --max-depth=3 {quote(place)} 2>/dev/null | sort -n | tail -20"
    severity = level(share, gathered.of(DiskLimits).percent)
    if severity is None or worst.free_inodes >= _MANY:
        return ok(text)
    return failed(text, step) if severity is Severity.CRITICAL else warning(text, step)


def _used(one: FileSystem) -> float:
    return 100.0 * (1 - one.free_inodes / one.inodes)


CHECK = Check(
    id="system.inodes",
    title="The disks can hold more files",
    why="Each file takes an inode, and ext4 has a fixed number of them. Data sets of millions of small "
    "files and environments of 100,000 files each use them up, and then `No space left on device` comes "
    "from a disk that `df -h` shows half empty. Pack small files into archives, or delete old "
    "environments and caches.",
    command="df -i",
    needs=(SystemFacts, DiskLimits),
    judge=_judge,
)
