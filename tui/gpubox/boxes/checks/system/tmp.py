"""Whether programs can work in /tmp."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, ok, unknown, warning
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.common.units import size

_LITTLE = 1 << 30
_SMALL = 4 << 30
"""Packages of CUDA take 2 to 3 GB while pip unpacks them."""


def _judge(gathered: Gathered) -> Result:
    tmp = gathered.of(SystemFacts).tmp
    if tmp is None or not tmp.answered:
        return unknown("/tmp did not say its size", "df -h /tmp")
    text = f"{size(tmp.free)} of {size(tmp.size)} free in /tmp"
    if not tmp.writable:
        return failed("This login may not write in /tmp", "sudo chmod 1777 /tmp", value="no")
    if tmp.free < _LITTLE:
        return warning(
            text, "Delete old files there, or set TMPDIR to a folder on a larger disk", value="full"
        )
    if tmp.no_programs:
        return hint(
            f"{text}, mounted with noexec",
            "Set TMPDIR to another folder for installers and compilers that run what they unpack",
            value="noexec",
        )
    if tmp.kind == "tmpfs" and tmp.size < _SMALL:
        return hint(
            f"{text}, which is a part of the memory",
            "Set TMPDIR to a folder on a disk before you install large packages",
            value="small",
        )
    return ok(f"{text}{', which is memory' if tmp.kind == 'tmpfs' else ''}", value="yes")


CHECK = Check(
    id="system.tmp",
    title="There is room in /tmp",
    why="pip unpacks wheels of several GB there, compilers of GPU kernels write there, and a full /tmp "
    "gives errors in places that do not name it. On some distributions /tmp is a part of the memory and "
    "empty after a reboot.",
    command="df -h /tmp; findmnt /tmp",
    needs=(SystemFacts,),
    judge=_judge,
)
