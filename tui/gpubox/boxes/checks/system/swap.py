"""Whether there is swap for moments without memory."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.common.units import size

_LITTLE = 33 << 30
"""Memory with which swap is worth having: a machine of 32 GB shows a bit less."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if facts.bare:
        return not_here("Swap belongs to the host of the container")
    if facts.swap is None or facts.memory is None:
        return unknown("The kernel does not say how much swap there is", "swapon --show")
    if facts.swap > 0:
        return ok(f"{size(facts.swap)} of swap beside {size(facts.memory)} of memory", value=size(facts.swap))
    text = f"No swap beside {size(facts.memory)} of memory"
    if facts.memory < _LITTLE:
        return hint(
            text,
            "sudo fallocate -l 8G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
            "sudo swapon /swapfile, and a line in /etc/fstab (ext4 or xfs)",
            value="no",
        )
    return ok(text, value="no")


CHECK = Check(
    id="system.swap",
    title="There is swap where memory is small",
    why="Without swap the kernel ends a program the moment memory is full. With some, programs that only "
    "wait make room first. It is no replacement for memory: a training that swaps takes hours for "
    "minutes. Swap on a disk takes its room there.",
    command="swapon --show; free -h",
    needs=(SystemFacts,),
    judge=_judge,
)
