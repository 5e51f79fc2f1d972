"""Whether the disks say that they are healthy."""

from __future__ import annotations

from shlex import quote

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok, unknown, warning
from gpubox.boxes.checks.system.facts import DiskHealth, SystemFacts
from gpubox.core.sanitize import clean

_WORN = 90
"""Percent of its writes from which a disk should be replaced soon."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if facts.bare:
        return not_here("Its disks belong to the host of the container")
    if not facts.disks:
        return not_here("It has no disk of its own that could be asked")
    lines = tuple(_said(one) for one in facts.disks)
    broken = [one for one in facts.disks if one.healthy is False]
    if broken:
        name = _name(broken[0])
        step = f"Save your data now; details: sudo smartctl -a {quote(_device(broken[0]))}"
        return failed(f"{name} says that it fails", step, value="failing", details=lines)
    worn = [one for one in facts.disks if (one.used or 0) >= _WORN or (one.errors or 0) > 0]
    if worn:
        return warning(_said(worn[0]), "Save your data, and plan a new disk", value="worn", details=lines)
    silent = [one for one in facts.disks if one.healthy is None]
    if silent:
        first = quote(_device(silent[0]))
        if facts.root:
            return unknown(
                f"{_name(silent[0])} was not asked, or did not answer",
                f"sudo smartctl -H {first} (package smartmontools)",
            )
        return unknown(
            "No disk was asked: that usually needs root", f"sudo smartctl -H {first} (package smartmontools)"
        )
    return ok(_count(len(facts.disks)), value="healthy", details=lines)


def _count(number: int) -> str:
    return (
        "Its disk says that it is healthy" if number == 1 else f"Its {number} disks say that they are healthy"
    )


def _device(one: DiskHealth) -> str:
    return f"/dev/{clean(one.name, 20)}"


def _name(one: DiskHealth) -> str:
    return f"{clean(one.name, 20)} ({clean(one.model, 40)})" if one.model else clean(one.name, 20)


def _said(one: DiskHealth) -> str:
    parts = [{True: "healthy", False: "failing", None: "not known"}[one.healthy]]
    if one.used is not None:
        parts.append(f"{one.used}% of its writes used")
    if one.errors:
        parts.append(f"{one.errors} errors that it could not correct")
    return f"{_name(one)}: {', '.join(parts)}"


CHECK = Check(
    id="system.smart",
    title="The disks say that they are healthy",
    why="A disk that announces its end by SMART often works for days or weeks more: enough to save what "
    "is on it. Checkpoints wear flash disks out; `Percentage Used` counts up to and over 100. Only root "
    "may ask a disk, or udisks2 on a desktop does. Looking costs nothing and does not wake a sleeping "
    "disk.",
    command="sudo smartctl -H -A /dev/nvme0n1",
    needs=(SystemFacts,),
    judge=_judge,
)
