"""Whether the kernel made a disk read-only."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, ok, unknown, warning
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.core.sanitize import clean

_SYSTEM = ("/", "/home", "/var", "/tmp")


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if not facts.mounts:
        return unknown("The box did not list its disks", "findmnt -O ro")
    found = [one for one in facts.mounts if one.read_only]
    odd = [one for one in found if not one.meant]
    names = ", ".join(clean(one.path, 60) for one in odd[:4])
    if not odd:
        return ok(
            "Disks are read-only where fstab says so" if found else "Every disk can be written", value="no"
        )
    own = [
        one for one in odd if one.path in _SYSTEM or (facts.home + "/").startswith(one.path.rstrip("/") + "/")
    ]
    if facts.container and own:
        return hint(
            f"Read-only: {names}",
            "Start the container without --read-only, if it should store data",
            value="yes",
        )
    if own:
        return failed(
            f"Read-only, although fstab does not say so: {names}",
            "Save your data, read sudo dmesg, then run fsck from a rescue system",
            value="yes",
        )
    if any(not one.network for one in odd):
        return warning(f"Read-only: {names}", "findmnt -O ro, and look for errors in sudo dmesg", value="yes")
    return ok(f"Read-only, as shares for reading are: {names}", value="no")


CHECK = Check(
    id="system.read-only",
    title="Disks can be written",
    why="When the kernel finds errors on a disk, it makes it read-only to save what is there. Programs "
    "that run go on until they write. The kernel log says what happened; the disk may be dying, so save "
    "data before repairs.",
    command="findmnt -O ro",
    needs=(SystemFacts,),
    judge=_judge,
)
