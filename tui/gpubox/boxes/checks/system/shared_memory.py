"""Whether data loaders have shared memory."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, ok, unknown, warning
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.common.units import size

_SMALL = 1 << 30
_FULL = 0.1


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    shm = facts.shm
    if shm is None or not shm.answered or shm.size <= 0:
        return unknown("/dev/shm did not say its size", "df -h /dev/shm")
    text = f"{size(shm.free)} of {size(shm.size)} of shared memory free"
    if shm.size < _SMALL:
        step = (
            "Start the container with --shm-size=16g or --ipc=host"
            if facts.container
            else "sudo mount -o remount,size=50% /dev/shm, and correct its line in /etc/fstab"
        )
        return warning(text, step, value=size(shm.size))
    if shm.free < shm.size * _FULL:
        return warning(
            text, "ls -la /dev/shm: delete the files of programs that no longer run", value=size(shm.size)
        )
    return ok(text, value=size(shm.size))


CHECK = Check(
    id="system.shared-memory",
    title="Data loaders have shared memory",
    why="Workers of PyTorch's DataLoader pass batches through /dev/shm, and NCCL uses it between GPUs of "
    "one machine. Docker gives a container 64 MB of it, and then training ends with a bus error. Programs "
    "that were killed may leave files there, which take memory until a reboot.",
    command="df -h /dev/shm; ls -la /dev/shm",
    needs=(SystemFacts,),
    judge=_judge,
)
