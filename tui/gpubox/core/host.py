"""Facts of a host in words: the limits of its container, and why a disk has no size."""

from __future__ import annotations

from gpubox.common.rules.host import PATIENCE
from gpubox.common.units import duration, size
from gpubox.core.sample import Disk, Host


def limits(host: Host) -> str:
    """Return the limits of a container, such as `2.5 CPUs, 8.0G of memory`, or an empty string."""
    parts: list[str] = []
    if host.cpu_limit is not None:
        parts.append(f"{round(host.cpu_limit, 2):g} CPU{'' if host.cpu_limit == 1 else 's'}")
    if host.memory_limit is not None:
        parts.append(f"{size(host.memory_limit)} of memory")
    return ", ".join(parts)


def without_size(disk: Disk) -> str:
    """Return why a disk has no size, or an empty string when it has one."""
    if disk.hangs is None:
        return disk.fault
    return f"no answer for {duration(disk.hangs)}" if disk.hangs > PATIENCE else "no answer yet"
