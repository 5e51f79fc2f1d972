"""Containers: the limits of the one that the probe runs in, and the container of a process."""

from __future__ import annotations

import os
import re

from gpubox.remote.kernel_files import read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    Row = Dict[str, object]


def cpu_list(text: str) -> set[int]:
    """Return the CPUs of a list such as 0-3,8; raises ValueError."""
    ends = [[int(end) for end in part.split("-")] for part in text.split(",") if part]
    return {cpu for part in ends for cpu in range(part[0], min(part[-1], part[0] + 8192) + 1)}


class CgroupLimits:
    """The limits of the container that the probe runs in, from control groups of either version.

    Outside of a container, version 2 has no such files, and version 1 no limits in them.
    """

    def __init__(self) -> None:
        self.root = rooted("/sys/fs/cgroup/")
        path = read_text(rooted("/proc/self/cgroup")).rpartition("0::")[2].split("\n")[0]
        if container(path) and os.path.isdir(self.root + path):  # it sees the groups of the whole machine
            self.root += path + "/"
        self.memory: int | None = None
        self.quota: float | None = None
        """Most CPU time, in CPUs, such as 2.5."""
        self.cpus: set[int] = set()
        self.spent: tuple[float, int] | None = None

    def read(self, *names: str) -> str:
        """Return the first existing file, as text."""
        return next(filter(None, (read_text(self.root + name) for name in names)), "")

    def number(self, first: str, *others: str) -> int | None:
        """Return the number in the first existing file; None for `max`."""
        text = self.read(first, *others)
        return int(text) if text.isdigit() else None

    def find(self) -> None:
        """Read the limits, which may change at run time."""
        self.memory = self.number("memory.max", "memory/memory.limit_in_bytes")
        old = self.read("cpu/cpu.cfs_quota_us") + " " + self.read("cpu/cpu.cfs_period_us")
        words = (self.read("cpu.max") or old).split()
        limited = len(words) == 2 and all(word.isdigit() and int(word) for word in words)
        self.quota = int(words[0]) / int(words[1]) if limited else None
        places = ("cpuset.cpus.effective", "cpuset/cpuset.effective_cpus", "cpuset/cpuset.cpus")
        self.cpus = cpu_list(self.read(*places))

    def memory_facts(self, facts: Row) -> Row:
        """Return the facts of the machine's memory, or of the container's if that is smaller."""
        limit, total = self.memory, facts.get("memory_total")
        used = None if limit is None else self.number("memory.current", "memory/memory.usage_in_bytes")
        if limit is None or used is None or not isinstance(total, int) or limit >= total:
            return dict(facts, memory_limit=None)
        # It includes cached files, which are dropped when memory is short.
        stat = self.read("memory.stat", "memory/memory.stat")
        cache = re.search(r"^total_inactive_file (\d+)$", stat, re.M) or re.search(
            r"^inactive_file (\d+)$", stat, re.M
        )
        free = limit - used + (int(cache.group(1)) if cache else 0)
        free = max(0, min(limit, free, int(str(facts.get("memory_available", free)))))
        return dict(facts, memory_total=limit, memory_available=free, memory_limit=limit)

    def cpu_share(self, now: float) -> float | None:
        """Return the used share of its CPUs since the last call, in percent."""
        spent = re.search(r"^usage_usec (\d+)$", self.read("cpu.stat"), re.M)
        used = int(spent.group(1)) * 1000 if spent else self.number("cpuacct/cpuacct.usage")
        old, self.spent = self.spent, None if used is None else (now, used)
        if old is None or used is None or self.quota is None or now <= old[0]:
            return None
        return round(min(100.0, max(0.0, (used - old[1]) / 1e7 / (now - old[0]) / self.quota)), 1)


CONTAINERS = (
    ("docker", re.compile(r"(?:/docker/|/docker-)([0-9a-f]{64})")),
    ("podman", re.compile(r"libpod-(?!conmon)([0-9a-f]{64})")),
    ("k8s", re.compile(r"kubepods.*?(?:cri-containerd[-:]|crio-|docker-|/)([0-9a-f]{64})")),
    ("containerd", re.compile(r"(?:cri-containerd[-:]|/(?:default|moby|k8s\.io)/|nerdctl-)([0-9a-f]{64})")),
    ("lxc", re.compile(r"/lxc(?:\.payload)?[./]([^/\n.]+)")),
    ("nspawn", re.compile(r"/machine\.slice/(?:machine-|systemd-nspawn@)([^/\n]+?)\.(?:scope|service)")),
)


def container(cgroup: str) -> tuple[str, str] | None:
    """Return the kind of container and its full name or id, from /proc/PID/cgroup, or None."""
    # Kubernetes first: below its folder are the same scopes that containerd and docker use on their own.
    order = ("k8s", "docker", "podman", "containerd", "lxc", "nspawn")
    patterns = dict(CONTAINERS)
    for kind in order:
        found = patterns[kind].search(cgroup)
        if found:
            return kind, found.group(1)
    return None
