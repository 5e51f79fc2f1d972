"""Parsers of the tables of /proc that a sample is made of."""

from __future__ import annotations

import re

from gpubox.common.sample_format import given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict

    Row = Dict[str, object]


def cpu_times(text: str) -> dict[str, tuple[int, int]]:
    """Return idle and whole time of the CPU and of each core, in ticks, from /proc/stat."""
    times: dict[str, tuple[int, int]] = {}
    for line in text.split("\n"):
        if not line.startswith("cpu"):
            break
        words = line.split()
        # user nice system idle iowait irq softirq steal; guest time is in user already
        ticks = [int(word) for word in words[1:9]]
        if len(ticks) >= 4:
            times[words[0]] = (ticks[3] + (ticks[4] if len(ticks) > 4 else 0), sum(ticks))
    return times


def cpu_share(old: tuple[int, int] | None, new: tuple[int, int]) -> float | None:
    """Return the busy share of a core between two readings, in percent."""
    if old is None or new[1] <= old[1]:
        return None
    idle = max(0, new[0] - old[0])  # iowait may run backwards
    return round(min(100.0, max(0.0, 100.0 * (1.0 - idle / (new[1] - old[1])))), 1)


def memory_facts(text: str, arc: str = "") -> Row:
    """Return memory and swap from /proc/meminfo; what ZFS's cache would give back is available too.

    `arc` is /proc/spl/kstat/zfs/arcstats: the cache shrinks down to `c_min` when programs want memory, and
    the kernel does not count it as available.
    """
    facts: dict[str, int] = {}
    for line in text.split("\n"):
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            facts[name] = int(words[0]) * 1024
    available = facts.get("MemAvailable")
    if available is None and "MemFree" in facts:  # kernels before 3.14
        available = facts["MemFree"] + facts.get("Buffers", 0) + facts.get("Cached", 0)
    if arc and available is not None:
        sizes = dict(re.findall(r"^(size|c_min)\s+\d+\s+(\d+)$", arc, re.M))
        available += max(0, int(sizes.get("size", 0)) - int(sizes.get("c_min", 0)))
        available = min(available, facts.get("MemTotal", available))
    swap = facts.get("SwapTotal")
    return given(
        {
            "memory_total": facts.get("MemTotal"),
            "memory_available": available,
            "swap_total": swap,
            "swap_used": None if swap is None else swap - facts.get("SwapFree", swap),
        }
    )


def net_bytes(text: str, chosen: Callable[[str], bool]) -> tuple[int, int]:
    """Return bytes received and sent by the chosen interfaces, from /proc/net/dev."""
    received = sent = 0
    for line in text.split("\n")[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) >= 9 and chosen(name.strip()):
            received += int(words[0])
            sent += int(words[8])
    return received, sent


def disk_bytes(text: str, chosen: Callable[[str], bool]) -> tuple[int, int]:
    """Return bytes read from and written to the chosen disks, from /proc/diskstats."""
    loaded = stored = 0
    for line in text.split("\n"):
        words = line.split()
        if len(words) >= 10 and chosen(words[2]):
            loaded += int(words[5]) * 512
            stored += int(words[9]) * 512
    return loaded, stored
