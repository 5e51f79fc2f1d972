"""Facts of the operating system: reboot, time, memory, logs; others are in power, updates and disks."""

from __future__ import annotations

import glob
import os
import struct
import time

from gpubox.common.proc import memory_facts
from gpubox.remote.checks import commands, disks, login_user, parts, power, running, unit_states, updates
from gpubox.remote.kernel_files import listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional

    Row = Dict[str, Any]

PACKAGES = 20
"""Most packages of a pending reboot that are named."""
CLOCK_CLIENTS = ("systemd-timesyncd", "chronyd", "ntpd", "ntpsec", "openntpd", "ptp4l", "phc2sys")
"""Programs that keep a clock right."""
CLOCK_UNITS = (
    "systemd-timesyncd.service",
    "chronyd.service",
    "chrony.service",
    "ntpd.service",
    "ntp.service",
    "ntpsec.service",
    "openntpd.service",
)
"""Services that run them; some names are aliases of others."""
MOST_ERROR = 16_000_000
"""Microseconds of possible error at which the kernel's clock counts as not synchronized, as in systemd."""
SYSLOGS = ("/var/log/syslog", "/var/log/messages", "/var/log/kern.log")


def gather() -> Row:
    """Return the facts."""
    row: Row = {
        "time": time.time(),
        "kernel": read_text(rooted("/proc/sys/kernel/osrelease"), 256),
        "kernels": kernels(),
        "reboot": os.path.exists(rooted("/run/reboot-required")),
        "reboot_packages": read_text(rooted("/run/reboot-required.pkgs")).split()[:PACKAGES],
        "systemd": commands.has_systemd(),
        "container": container(),
        "user": login_user.name(),
        "home": login_user.home()[:200],
        "linger": os.path.exists(rooted("/var/lib/systemd/linger/" + login_user.name())),
        "root": os.geteuid() == 0,
    }
    own = commands.has_systemd() or not row["container"]
    found = parts.gathered(
        {
            "synced": synced,
            "clock_clients": clock_clients,
            "clock_units": lambda: [
                row for row in unit_states.states(*CLOCK_UNITS) if row["load"] == "loaded"
            ],
            "log": logs,
            "mounts": disks.file_systems,
            "working": disks.working,
            "memory": memory,
            "power": power.gather,
            # A container of one program has its updates from its image, and its disks from the host.
            **({"disks": disks.health, "updates": updates.gather} if own else {}),
        }
    )
    for name in ("power", "memory", "working"):
        row.update(found.pop(name, {}))
    row.update(found)
    return row


def kernels() -> List[str]:
    """Return the releases of the kernels that are installed with their modules."""
    found = glob.glob(rooted("/lib/modules/*/modules.dep")) + glob.glob(
        rooted("/usr/lib/modules/*/modules.dep")
    )
    return sorted({os.path.basename(os.path.dirname(path)) for path in found})


def synced() -> Optional[bool]:
    """Return whether the clock is synchronized by the network; None where the box does not say."""
    known = by_kernel()
    if known is not None:
        return known
    for line in commands.lines("timedatectl", "show", "-p", "NTPSynchronized", seconds=commands.ACTIVATING):
        return line.strip().endswith("=yes")
    return None


def by_kernel() -> Optional[bool]:
    """Return whether the kernel's clock is synchronized, as systemd judges it; None where it does not say."""
    import ctypes

    block = ctypes.create_string_buffer(512)  # a struct timex whose modes are 0: it only reads
    try:
        if ctypes.CDLL(None).adjtimex(block) < 0:
            return None
    except (OSError, AttributeError):
        return None
    # modes, offset, freq, maxerror, each as wide as a long
    (error,) = struct.unpack_from("@l", block, 3 * struct.calcsize("@l"))
    return error < MOST_ERROR


def clock_clients() -> List[str]:
    """Return the programs that run to keep the clock right."""
    found = {one.name for one in running.named(*CLOCK_CLIENTS)}
    return [name for name in CLOCK_CLIENTS if name[:15] in found]


def container() -> str:
    """Return the kind of container that this is, or ""."""
    if os.path.exists(rooted("/.dockerenv")):
        return "docker"
    if os.path.exists(rooted("/run/.containerenv")):
        return "podman"
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    return read_text(rooted("/run/systemd/container"), 64)


def logs() -> str:
    """Return `journal` or `syslog`, where the log outlives a reboot, else `memory`; "" for unknown."""
    folder = listing(rooted("/var/log/journal"))
    if any(os.path.isdir(rooted("/var/log/journal/" + name)) for name in folder):
        return "journal"
    if any(os.path.exists(rooted(path)) for path in SYSLOGS):
        return "syslog"
    return "memory" if os.path.isdir(rooted("/run/log/journal")) else ""


def memory() -> Row:
    """Return memory and swap in bytes; what the kernel does not say is left out."""
    found = memory_facts(
        read_text(rooted("/proc/meminfo")), read_text(rooted("/proc/spl/kstat/zfs/arcstats"))
    )
    names = {"memory_total": "memory", "memory_available": "available", "swap_total": "swap"}
    return {short: found[name] for name, short in names.items() if found.get(name) is not None}
