"""Reads a machine without /proc (macOS, BSD), through psutil or Python itself."""

from __future__ import annotations

import os
import time

from gpubox.common.sample_format import COMMAND_LIMIT, NAME_LIMIT, given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Dict

    Row = Dict[str, object]
    App = Dict[str, object]


def find_psutil() -> ModuleType | None:
    """Return psutil of the box's own Python; until here the probe runs without site-packages."""
    import site

    site.main()
    try:
        import psutil
    except ImportError:
        return None
    return psutil


class PortableHost:
    """Reads a machine without /proc (macOS, BSD) through psutil, else only what Python itself knows."""

    def __init__(self, psutil: ModuleType | None) -> None:
        self.psutil = psutil
        system = os.uname()
        self.facts: Row = {
            "hostname": system.nodename[:NAME_LIMIT],
            "kernel": "%s %s" % (system.sysname, system.release),
            "machine": system.machine,
        }

    def tick(self, lanes: set[str], now: float) -> Row:
        """Return the row of the host for the wire."""
        row = dict(self.facts, load=list(os.getloadavg()))
        p = self.psutil
        if p is None:
            return row
        memory, swap = p.virtual_memory(), p.swap_memory()
        row.update(
            {
                "cpu": p.cpu_percent(),
                "cores": p.cpu_percent(percpu=True),
                "memory_total": memory.total,
                "memory_available": memory.available,
                "swap_total": swap.total,
                "swap_used": swap.used,
                "uptime": time.time() - p.boot_time(),
                "disks": [
                    {
                        "mount": part.mountpoint,
                        "device": part.device,
                        "filesystem": part.fstype,
                        "used": usage.used,
                        "total": usage.used + usage.free,
                    }
                    for part, usage in ((part, p.disk_usage(part.mountpoint)) for part in p.disk_partitions())
                ],
            }
        )
        return row


class PortableProcesses:
    """Reads the processes of a machine without /proc through psutil."""

    def __init__(self, psutil: ModuleType | None, top: int, commands: bool) -> None:
        self.psutil = psutil
        self.top = top
        self.commands = commands
        self.count: int | None = None

    def tick(self, apps: list[App], now: float) -> list[Row]:
        """Return the rows of the GPUs' processes, then those of the host's busiest."""
        p = self.psutil
        if p is None:
            return list(apps)
        fields = ["pid", "username", "name", "cmdline", "cpu_percent", "memory_info", "create_time"]
        found = {process.info["pid"]: self.row(process.info) for process in p.process_iter(fields)}
        self.count = len(found)
        rows = [dict(app, **found.get(app["pid"], {})) for app in apps]
        busiest = sorted(found.values(), key=lambda row: float(str(row.get("cpu", 0))), reverse=True)
        return rows + busiest[: self.top]

    def row(self, info: Row) -> Row:
        """Return the row of a process for the wire."""
        words = info["cmdline"]
        line = " ".join(words) if isinstance(words, list) and self.commands else ""
        name = str(info["name"])[:NAME_LIMIT]
        return given(
            {
                "pid": info["pid"],
                "user": info["username"],
                "name": name,
                "command": line[:COMMAND_LIMIT] or name,
                "cpu": info["cpu_percent"],
                "memory": getattr(info["memory_info"], "rss", None),
                "started": info["create_time"],
            }
        )
