"""Facts of the disks: room on the file systems, and what the disks say of their own health."""

from __future__ import annotations

import json
import os
import re
import threading
import time

from gpubox.remote.checks import commands, running
from gpubox.remote.kernel_files import contents, listing, read_text, rooted
from gpubox.remote.probe import disks

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List

    Row = Dict[str, Any]

SECONDS = 1.2
"""Seconds for the size of all file systems; a dead network disk never answers."""
EACH = 1.0
"""Seconds for one disk's own report; a sleeping one is not woken."""
MOST = 32
"""Most disks and file systems that are named."""
VIRTUAL = re.compile(
    r"QEMU|Virtual|VBOX|VMware|Msft|Elastic Block|Persistent ?Disk|Google|BlockVolume|Cloud|LOGICAL VOLUME",
    re.I,
)
"""Models of disks that belong to a host or a controller, which alone knows their health."""
LARGEST = 10**9
"""No count of errors is larger; a disk may say anything."""
WORKING = (("/tmp", "tmp"), ("/dev/shm", "shm"))
"""Folders in which programs work, and the fields that they are named by."""


def file_systems() -> List[Row]:
    """Return the file systems on disks, with their room where they answered."""
    table = contents(rooted("/proc/self/mounts"), 1 << 20).decode("utf-8", "surrogateescape")
    wants = meant_read_only()
    rows: List[Row] = []
    threads: List[threading.Thread] = []
    for device, path, kind, read_only in disks.mounts(table):
        row: Row = {"path": path[:200], "kind": kind[:32], "read_only": read_only, "meant": path in wants}
        row["network"] = disks.NETWORK.match(kind) is not None
        row["device"] = device[:80]
        rows.append(row)
        threads.append(threading.Thread(target=measure, args=(row, rooted(path)), daemon=True))
    for thread in threads:
        thread.start()
    end = time.monotonic() + SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [row for row in map(dict, rows) if not row.pop("hidden", False)]


def measure(row: Row, path: str) -> None:
    """Add the room of a file system to its row; this may block forever."""
    found, fault = disks.figures(path.encode("utf-8", "surrogateescape"))
    if found is None:
        row.update({"fault": fault} if fault else {"hidden": True})
        return
    row.update(
        size=disks.size_of(found),
        free=found.f_bavail * found.f_frsize,
        inodes=found.f_files,
        free_inodes=found.f_favail,
        answered=True,
    )


def meant_read_only() -> List[str]:
    """Return the mount points that are read-only on purpose: by fstab, or by the kind of distribution."""
    found = ["/"] if os.path.exists(rooted("/run/ostree-booted")) else []
    for line in read_text(rooted("/etc/fstab")).splitlines():
        words = line.split()
        if len(words) >= 4 and not line.lstrip().startswith("#") and "ro" in words[3].split(","):
            found.append(disks.octal(words[1]))
    return found


def working() -> Row:
    """Return the room of the folders in which programs work, by field."""
    kinds = {
        line.split(" ")[1]: line
        for line in read_text(rooted("/proc/self/mounts"), 1 << 20).splitlines()
        if " " in line
    }
    found: Row = {}
    for path, name in WORKING:
        row: Row = {"path": path}
        measure(row, rooted(path))
        words = kinds.get(path, "").split(" ")
        if len(words) >= 4:
            row["kind"] = words[2][:32]
            row["no_programs"] = "noexec" in words[3].split(",")
        row["writable"] = os.access(rooted(path), os.W_OK | os.X_OK)
        found[name] = row
    return found


def health() -> List[Row]:
    """Return the disks of this machine, with what they say of their health where it can be read."""
    rows: List[Row] = []
    for name in listing(rooted("/sys/block")):
        if re.match(r"sd[a-z]+$|nvme\d+n1$|hd[a-z]$", name) and len(rows) < MOST:
            model = read_text(rooted("/sys/block/%s/device/model" % name), 128)
            vendor = read_text(rooted("/sys/block/%s/device/vendor" % name), 64)
            removable = read_text(rooted("/sys/block/%s/removable" % name), 8) == "1"
            if not removable and not VIRTUAL.search("%s %s" % (vendor, model)):
                rows.append({"name": name, "model": model[:64]})
    reports = by_udisks() if rows and os.geteuid() != 0 else {}
    threads = [threading.Thread(target=ask, args=(row, reports), daemon=True) for row in rows]
    for thread in threads:
        thread.start()
    end = time.monotonic() + EACH + 0.2
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [dict(row) for row in rows]


def ask(row: Row, reports: Dict[str, Row]) -> None:
    """Add a disk's report to its row."""
    if os.geteuid() == 0:
        row.update(by_smartctl(row["name"]) or by_nvme(row["name"]) or {})
    else:
        for model, report in reports.items():
            if row["model"] and model.startswith(row["model"]):  # the kernel cuts it to 16 characters
                row.update(report)


def by_smartctl(name: str) -> Row:
    """Return the report of smartctl, which needs root; {} without one.

    Its exit status is a set of bits, most of which are no failure of the program.
    """
    done = commands.run(
        "smartctl", "--json", "--health", "--attributes", "--nocheck=standby", "/dev/" + name, seconds=EACH
    )
    return smart(done.out) if done is not None else {}


def smart(text: str) -> Row:
    """Return a disk's health from the JSON of smartctl."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    row: Row = {}
    status = found.get("smart_status")
    if isinstance(status, dict) and isinstance(status.get("passed"), bool):
        row["healthy"] = status["passed"]
    nvme = found.get("nvme_smart_health_information_log")
    if isinstance(nvme, dict):
        row.update(nvme_report(nvme))
    attributes = found.get("ata_smart_attributes")
    table = attributes.get("table") if isinstance(attributes, dict) else None
    for line in table if isinstance(table, list) else ():
        if isinstance(line, dict) and line.get("id") in (197, 198):  # sectors that cannot be read now
            raw = line.get("raw")
            value = raw.get("value") if isinstance(raw, dict) else None
            if isinstance(value, int):
                row["errors"] = max(row.get("errors", 0), min(value, LARGEST))
    if row:
        row["by"] = "smartctl"
    return row


def by_nvme(name: str) -> Row:
    """Return the report of nvme-cli, which needs root; {} without one."""
    if not name.startswith("nvme"):
        return {}
    try:
        found = json.loads(
            commands.output("nvme", "smart-log", "--output-format=json", "/dev/" + name, seconds=EACH)
        )
    except ValueError:
        return {}
    row = nvme_report(found) if isinstance(found, dict) else {}
    return dict(row, by="nvme") if row else {}


def nvme_report(log: Row) -> Row:
    """Return a disk's health from its log of NVMe, by the names of smartctl or of nvme-cli."""
    row: Row = {}
    critical = log.get("critical_warning")
    if isinstance(critical, int):
        row["healthy"] = critical == 0
    used = log.get("percentage_used", log.get("percent_used"))
    if isinstance(used, int):
        row["used"] = min(used, LARGEST)
    errors = log.get("media_errors")
    if isinstance(errors, int):
        row["errors"] = min(errors, LARGEST)
    return row


def by_udisks() -> Dict[str, Row]:
    """Return the reports of udisks2 by the model of the disk; {} where it does not run.

    Disks of one model share the worse report: the dump names the device in another object.
    """
    if not running.named("udisksd"):
        return {}
    return udisks(commands.output("udisksctl", "dump", seconds=EACH))


def udisks(dump: str) -> Dict[str, Row]:
    """Return the reports in a dump of udisks2, by the model of the disk."""
    found: Dict[str, Row] = {}
    for part in re.split(r"^/org/freedesktop/UDisks2/", dump, flags=re.M):
        model = field(part, "Model")
        if not part.startswith("drives/") or not model or field(part, "SmartUpdated") in ("", "0"):
            continue  # before its first look at a disk, its words mean nothing
        failing = field(part, "SmartFailing")
        healthy = (
            failing == "false" if failing else field(part, "SmartCriticalWarning") in ("", "[]", "@as []")
        )
        if found.get(model, {}).get("healthy", True):
            found[model] = {"by": "udisks", "healthy": healthy}
    return found


def field(text: str, name: str) -> str:
    """Return a property in the dump of udisks; "" where there is none."""
    found = re.search(r"^[ \t]+%s:[ \t]*(.*?)[ \t]*$" % name, text, re.M)
    return found.group(1) if found else ""
