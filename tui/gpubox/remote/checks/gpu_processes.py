"""Facts of processes that hold a GPU: those that hang in its driver, and those that nvidia-smi leaves out."""

from __future__ import annotations

import glob
import os
import re
import time

from gpubox.remote import users
from gpubox.remote.kernel_files import listing, read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, Iterator, List, Set

    Row = Dict[str, Any]

MOST = 32
"""Most processes that are named."""
STUCK_SECONDS = 0.4
"""A process that waits on a disk is uninterruptible for less; one on a dead driver stays so."""
PROCESSES = 20000
"""Most processes that are looked at."""
KERNEL_THREAD = 0x00200000
"""A flag in /proc/PID/stat. Reading cmdline instead would hang with a process that hangs."""
CUDA = "/dev/nvidia-uvm"
"""The device that programs of CUDA have open; monitors and desktops do not need it."""
PERSISTENCED = "nvidia-persiste"
FABRIC_MANAGER = "nv-fabricmanage"
MPS = "nvidia-cuda-mps"
"""Names of daemons, which the kernel cuts after 15 characters."""
DAEMONS = (PERSISTENCED, FABRIC_MANAGER, MPS, "nv-hostengine", "nvidia-smi")
"""Programs that may have it open without memory of their own on a card."""


def pids() -> List[str]:
    """Return the processes of the machine."""
    return [name for name in listing(rooted("/proc")) if name.isdigit()][:PROCESSES]


def names() -> Set[str]:
    """Return the short names of the running processes."""
    return {name_of(pid) for pid in pids()}


def name_of(pid: str) -> str:
    """Return the short name of a process, or ""."""
    return read_text(rooted("/proc/%s/comm" % pid), 64)


def owner(pid: str) -> str:
    """Return the name of the user of a process, or ""."""
    try:
        return users.name(os.stat(rooted("/proc/" + pid)).st_uid)
    except OSError:
        return ""


def opened(pid: str) -> Iterator[str]:
    """Yield what a process has open, as far as this login may see."""
    for link in glob.glob(rooted("/proc/%s/fd/*" % pid)):
        yield target(link)


def target(link: str) -> str:
    """Return where a link leads, or ""."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


def waiting() -> Dict[str, str]:
    """Return the uninterruptible processes but the kernel's own, each with marks of its progress."""
    found: Dict[str, str] = {}
    for pid in pids():
        fields = read_text(rooted("/proc/%s/stat" % pid), 1024).rpartition(")")[2].split()
        if fields[:1] == ["D"] and len(fields) > 6 and not int(fields[6]) & KERNEL_THREAD:
            found[pid] = marks(pid)
    return found


def marks(pid: str) -> str:
    """Return what changes when a process runs: its context switches."""
    return " ".join(re.findall(r"ctxt_switches:\s+(\d+)", read_text(rooted("/proc/%s/status" % pid), 8192)))


def stuck() -> List[Row]:
    """Return the processes that wait in the kernel, uninterruptible, for all of STUCK_SECONDS."""
    rows: List[Row] = []
    before = waiting()
    if before:
        time.sleep(STUCK_SECONDS)
    now = waiting() if before else {}
    for pid, was in before.items():
        if now.get(pid) != was:
            continue
        rows.append(
            {
                "pid": int(pid),
                "name": name_of(pid),
                "user": owner(pid),
                "gpu": any(path.startswith("/dev/nvidia") for path in opened(pid)),
                "place": read_text(rooted("/proc/%s/wchan" % pid), 64).strip("0"),
            }
        )
    return rows[:MOST]


def holders(listed: Set[int], end: float) -> List[Row]:
    """Return the processes that have CUDA open and are not among those listed, as far as this login may see.

    Workers that outlive the program that started them are such: they inherit what it had open, and nvidia-smi
    does not know them. The look ends at `end`, by time.monotonic().
    """
    rows: List[Row] = []
    for pid in pids():
        if time.monotonic() > end or len(rows) == MOST:
            break
        name = name_of(pid)
        if int(pid) in listed or name in DAEMONS or CUDA not in opened(pid):
            continue
        rows.append({"pid": int(pid), "name": name, "user": owner(pid)})
    return rows
