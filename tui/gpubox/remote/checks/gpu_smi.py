"""Facts of GPUs that nvidia-smi gives: what it says of each, and the processes that it lists on it."""

from __future__ import annotations

import os
import re
import time

from gpubox.common.smi import ABSENT, short_bus, smi_value
from gpubox.remote.checks import commands, gpu_processes, system
from gpubox.remote.kernel_files import rooted
from gpubox.remote.probe import driver

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Sequence

    Row = Dict[str, Any]

SECONDS = 2.2
"""Without persistence mode nvidia-smi wakes every card first, which takes a second or more."""
MOST = 32
"""Most GPUs."""
FIELDS = ("name", "driver_version", "persistence_mode", "pstate", "pci.bus_id", "memory.used")
NEWER_FIELDS = ("mig.mode.current", "compute_cap", "memory.reserved", "gpu_recovery_action")
"""Fields that older drivers do not know, the oldest first: they came with 450, 510, 510 and 570."""
REFUSED = re.compile(r'Field "?([\w.]+)"? is not a valid field')
"""nvidia-smi refuses the whole question for one field."""
LEAST = 256 << 20
"""Bytes in use without a process from which all processes are searched for who may hold them."""


def gather(running: bool) -> Row:
    """Return what nvidia-smi says, and who may hold memory that it names no process for.

    It is run only over a loaded driver, for as root it would load one; `running` tells whether there is one.
    """
    path = driver.find_smi()
    given = bool(system.container()) and os.path.exists(rooted("/dev/nvidiactl"))
    if not path or not (running or given):
        return {"smi": {"path": path}}
    end = time.monotonic() + SECONDS
    row = smi(path, end)
    gpus: List[Row] = row.get("gpus") or []
    left = end - time.monotonic()
    # The first answer comes before this one: memory that a program gave back in between is not in use.
    done = commands.run(path, "-q", "-d", "MEMORY,PIDS", seconds=left) if gpus and left > 0 else None
    looks = listed(done.out) if done is not None and done.status == 0 else {}
    for gpu in gpus:
        look = looks.get(gpu["address"], {})
        gpu["processes"] = look.get("processes")
        amounts = [used for used in (gpu["memory_used"], look.get("used")) if used is not None]
        gpu["memory_used"] = min(amounts) if amounts else None
    known = {one["pid"] for gpu in gpus for one in gpu["processes"] or ()}
    lonely = [gpu for gpu in gpus if gpu["processes"] == [] and (gpu["memory_used"] or 0) >= LEAST]
    return {"smi": row, "holders": gpu_processes.holders(known, end) if lonely else []}


def smi(path: str, end: float) -> Row:
    """Return what nvidia-smi says of each GPU; what the driver is too old for is left out of the question."""
    fields = FIELDS + NEWER_FIELDS
    while True:
        began = time.monotonic()
        done = commands.run(
            path,
            "--query-gpu=" + ",".join(fields),
            "--format=csv,noheader",
            seconds=max(0.0, end - began),
        )
        refused = REFUSED.search(done.out + done.err) if done is not None else None
        if refused is None or refused.group(1) not in NEWER_FIELDS or refused.group(1) not in fields:
            break
        fields = fields[: fields.index(refused.group(1))]  # it does not know the newer ones either
    row: Row = {"path": path, "ran": True, "seconds": round(time.monotonic() - began, 2)}
    if done is None:
        return row
    row["status"] = done.status
    complaint = [line for line in (done.err + "\n" + done.out).splitlines() if line.strip()]
    row["error"] = complaint[0][:200] if done.status and complaint else ""
    row["gpus"] = gpus_of(done.out, fields) if done.status == 0 else []
    return row


def gpus_of(text: str, fields: Sequence[str]) -> List[Row]:
    """Return the GPUs of nvidia-smi's answer to a question for some fields; a name may hold commas."""
    rows: List[Row] = []
    for line in text.splitlines()[:MOST]:
        words = [word.strip() for word in line.rsplit(",", len(fields) - 1)]
        if len(words) != len(fields):
            continue
        cells = dict(zip(fields, words))
        rows.append(
            {
                "name": cells["name"][:120],
                "capability": text_of(cells, "compute_cap"),
                "driver": cells["driver_version"][:40],
                "persistence": value(cells, "persistence_mode", "flag"),
                "pstate": cells["pstate"][:8],
                "address": short_bus(cells["pci.bus_id"]),
                "memory_used": value(cells, "memory.used", "mib"),
                "memory_reserved": value(cells, "memory.reserved", "mib"),
                "mig": value(cells, "mig.mode.current", "flag"),
                "recovery": text_of(cells, "gpu_recovery_action"),
            }
        )
    return rows


def value(cells: Dict[str, str], field: str, kind: str) -> Any:
    """Return the value of a cell, or None where there is none."""
    try:
        return smi_value(cells.get(field, ""), kind)
    except ValueError:
        return None


def text_of(cells: Dict[str, str], field: str) -> str:
    """Return the words of a cell, or "" where there are none; the recovery action `None` is a word."""
    cell = cells.get(field, "")
    return cell[:40] if cell == "None" or not ABSENT.match(cell) else ""


def listed(text: str) -> Dict[str, Row]:
    """Return the memory in use and the processes of each GPU by its address, from `-q -d MEMORY,PIDS`.

    Processes are None where nvidia-smi cannot list them. The text is indented: titles of groups by four
    spaces, and what is in them by more.
    """
    found: Dict[str, Row] = {}
    parts = re.split(r"^GPU ([0-9A-Fa-f]+:[0-9A-Fa-f:.]+)\s*$", text, flags=re.M)
    for address, part in zip(parts[1::2], parts[2::2]):
        row: Row = {"used": None, "processes": None}
        group = ""
        for line in part.splitlines():
            key, _, said = (word.strip() for word in line.partition(":"))
            if len(line) - len(line.lstrip()) == 4:
                group = key
                if key == "Processes" and said in ("", "None"):
                    row["processes"] = []
            elif group == "FB Memory Usage" and key == "Used":
                row["used"] = value({key: said}, key, "mib")
            elif group == "Processes" and row["processes"] is not None:
                add(row["processes"], key, said)
        found[short_bus(address)] = row
    return found


def add(processes: List[Row], key: str, said: str) -> None:
    """Add one line about processes to those that were read before it; names have arguments, and stay here."""
    if key == "Process ID" and re.match(r"\d{1,10}$", said):
        processes.append({"pid": int(said), "kind": ""})
    elif key == "Type" and processes:
        processes[-1]["kind"] = said[:8]
