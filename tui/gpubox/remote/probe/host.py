"""The machine: CPU, memory, network, disks and temperature, from /proc and /sys."""

from __future__ import annotations

import os
import re
import time

from gpubox.common.proc import cpu_share, cpu_times, disk_bytes, memory_facts, net_bytes
from gpubox.common.sample_format import NAME_LIMIT, given
from gpubox.remote.kernel_files import cpu_model, listing, read_all, read_text, rooted
from gpubox.remote.probe.containers import CgroupLimits
from gpubox.remote.probe.disks import Mount, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    Row = Dict[str, object]


MOUNTS = "/proc/self/mounts"
ARC_STATS = "/proc/spl/kstat/zfs/arcstats"
CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "cpu-thermal", "cpu")
PACKAGE = re.compile(r"Package|Tctl|Tdie", re.I)


def sensors() -> list[str]:
    """Return the files of the CPU's temperatures.

    The sensor of the whole package is preferred: reading that of each core costs an interrupt.
    """
    found: list[str] = []
    whole: list[str] = []
    for chip in listing("/sys/class/hwmon"):
        folder = "/sys/class/hwmon/" + chip
        if read_text(folder + "/name", 64) not in CPU_SENSORS:
            continue
        for name in listing(folder):
            if name.startswith("temp") and name.endswith("_input"):
                label = read_text("%s/%s_label" % (folder, name[:-6]), 64)
                (whole if PACKAGE.match(label) else found).append(folder + "/" + name)
    if not whole and not found:
        for zone in listing("/sys/class/thermal"):
            kind = read_text("/sys/class/thermal/%s/type" % zone, 64).lower()
            if zone.startswith("thermal_zone") and ("x86_pkg" in kind or "cpu" in kind):
                found.append("/sys/class/thermal/%s/temp" % zone)
    return (whole or found)[:8]


def distribution() -> str:
    """Return the name of the distribution."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', read_text(path), re.M)
        if found:
            return found.group(1)[:NAME_LIMIT]
    return ""


class HostReader:
    """Reads the machine from /proc and /sys, within the limits of a container."""

    def __init__(self) -> None:
        system = os.uname()
        self.facts: Row = {
            "hostname": system.nodename[:NAME_LIMIT],
            "kernel": system.release[:NAME_LIMIT],
            "machine": system.machine,
            "distribution": distribution(),
            "cpu_model": cpu_model()[:NAME_LIMIT],
            "boot_id": read_text("/proc/sys/kernel/random/boot_id", 64),
        }
        self.values: Row = {}
        self.times: dict[str, tuple[int, int]] = {}
        self.counters: dict[str, tuple[float, int, int]] = {}
        self.disks: dict[tuple[str, str, str, bool], Mount] = {}
        self.container = CgroupLimits()
        self.sensors = sensors()
        self.interfaces: set[str] = set()
        self.devices: set[str] = set()

    def tick(self, lanes: set[str], now: float) -> Row:
        """Return the row of the host for the wire; unreadable parts are left out."""
        values = self.values
        for lane, part in (
            ("rare", self.hardware),
            ("fast", self.cpu),
            ("fast", self.memory),
            ("fast", self.rates),
            ("slow", self.heat),
            ("slow", self.measure),
        ):
            if lane in lanes:
                try:
                    values.update(part(now))
                except (
                    OSError,
                    ValueError,
                    IndexError,
                    RuntimeError,
                ):  # the last: no more threads for this user
                    continue
        row = dict(self.facts, **given(values))
        disks = [disk.row(now) for disk in self.disks.values()]
        if any(disks):
            row["disks"] = [disk for disk in disks if disk]
        return row

    def hardware(self, now: float) -> Row:
        """Find the real interfaces and disks; those of containers would count twice."""
        links = listing("/sys/class/net")
        real = {name for name in links if os.path.exists("/sys/class/net/%s/device" % name)}
        self.interfaces = real or {name for name in links if name != "lo"}
        self.devices = {
            name for name in listing("/sys/block") if os.path.exists("/sys/block/%s/device" % name)
        }
        self.container.find()
        return {}

    def cpu(self, now: float) -> Row:
        """Read the load of the cores since the last tick."""
        old, self.times = self.times, cpu_times(read_all("/proc/stat").decode("ascii", "replace"))
        shares = {name: cpu_share(old.get(name), ticks) for name, ticks in self.times.items()}
        whole, inside = shares.pop("cpu", None), self.container
        count = len(shares)
        if inside.cpus and inside.cpus < {int(name[3:]) for name in shares}:
            shares = {name: share for name, share in shares.items() if int(name[3:]) in inside.cpus}
        cores = [share for share in shares.values() if share is not None]
        limit = min(inside.quota or count, len(shares))
        if inside.quota and limit == inside.quota:
            whole = inside.cpu_share(now)
        elif limit < count:
            whole = round(sum(cores) / len(cores), 1) if cores else None
        load = [float(word) for word in read_text("/proc/loadavg", 128).split()[:3]]
        return {
            "cpu": self.values.get("cpu") if whole is None else whole,
            "cpu_limit": limit if limit < count else None,
            "cores": cores or self.values.get("cores"),
            "load": load,
            "uptime": float(read_text("/proc/uptime", 128).split()[0]),
        }

    def memory(self, now: float) -> Row:
        """Read memory and swap."""
        text = read_all("/proc/meminfo", 8192).decode("ascii", "replace")
        return self.container.memory_facts(memory_facts(text, read_text(rooted(ARC_STATS))))

    def rates(self, now: float) -> Row:
        """Read the traffic of network and disks since the last tick."""
        net = net_bytes(read_text("/proc/net/dev"), self.interfaces.__contains__)
        row = self.rate("net", now, net, ("net_receive", "net_send"))
        if self.devices:
            disk = disk_bytes(read_text("/proc/diskstats"), self.devices.__contains__)
            row.update(self.rate("disk", now, disk, ("disk_read", "disk_write")))
        return row

    def rate(self, key: str, now: float, new: tuple[int, int], names: tuple[str, str]) -> Row:
        """Return two counters as bytes per second."""
        old = self.counters.get(key)
        self.counters[key] = (now, new[0], new[1])
        if old is None or now <= old[0]:
            return {}
        span = now - old[0]
        return {
            name: round(max(0, now_ - then) / span) for name, now_, then in zip(names, new, (old[1], old[2]))
        }

    def heat(self, now: float) -> Row:
        """Read the hottest sensor of the CPU."""
        degrees = [int(text) / 1000.0 for text in (read_text(path, 32) for path in self.sensors) if text]
        sane = [value for value in degrees if -40 < value < 200]
        return {"temperature": max(sane) if sane else None}

    def measure(self, now: float) -> Row:
        """Request the sizes of the disks; late answers are in a later sample."""
        listed = mounts(read_all(MOUNTS).decode("utf-8", "surrogateescape"))
        waiting = [key for key, disk in self.disks.items() if disk.waits()]
        self.disks = {key: self.disks.get(key) or Mount(*key) for key in listed}
        asked = [disk for key, disk in self.disks.items() if key not in waiting]
        for disk in asked:
            disk.ask(now)
        end = time.monotonic() + 0.02
        for disk in asked:
            if disk.thread is not None:
                disk.thread.join(max(0.0, end - time.monotonic()))
        return {}
