"""The queries for nvidia-smi, and parsers of its answers."""

from __future__ import annotations

import contextlib
import re

from gpubox.common.sample_format import COMMAND_LIMIT, DRIVER_VERSION, NAME_LIMIT, impossible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Sequence

    Row = Dict[str, object]
    App = Dict[str, object]


# The queried name, the field it fills, and the meaning of its text. Names that old versions lack are last:
# when nvidia-smi refuses the whole query, only the first BASIC columns are queried.
SMI_COLUMNS = (
    ("index", "index", "int"),
    ("uuid", "uuid", "text"),
    ("name", "name", "text"),
    ("pci.bus_id", "bus", "text"),
    ("driver_version", "", "driver"),
    ("utilization.gpu", "util", "float"),
    ("utilization.memory", "memory_util", "float"),
    ("memory.used", "memory_used", "mib"),
    ("memory.total", "memory_total", "mib"),
    ("temperature.gpu", "temperature", "float"),
    ("fan.speed", "fan", "float"),
    ("power.draw", "power", "float"),
    ("pstate", "pstate", "pstate"),
    ("clocks.sm", "clock_sm", "int"),
    ("clocks.mem", "clock_memory", "int"),
    ("enforced.power.limit", "power_limit", "float"),
    ("clocks.max.sm", "clock_sm_max", "int"),
    ("clocks.max.mem", "clock_memory_max", "int"),
    ("clocks_throttle_reasons.active", "throttle", "hex"),
    ("pcie.link.gen.current", "pcie_gen", "int"),
    ("pcie.link.gen.max", "pcie_gen_max", "int"),
    ("pcie.link.width.current", "pcie_width", "int"),
    ("pcie.link.width.max", "pcie_width_max", "int"),
    ("ecc.errors.corrected.volatile.total", "ecc_corrected", "int"),
    ("ecc.errors.uncorrected.volatile.total", "ecc_uncorrected", "int"),
    ("persistence_mode", "persistence", "flag"),
    ("compute_mode", "compute_mode", "mode"),
    ("display_active", "display_active", "flag"),
    ("mig.mode.current", "mig", "flag"),
)
BASIC = 15
SMI_APPS = "gpu_uuid,pid,used_memory"
ABSENT = re.compile(
    r"\[?\s*(N/A|Not Supported|Unknown Error|ERR!|GPU is lost|GPU requires reset|Insufficient Permissions?"
    r"|Requested functionality has been deprecated|Not Found|None|Not Available|Not Active)?\s*\]?$",
    re.I,
)
"""Every way nvidia-smi was seen to say that there is no value."""
LOST_WORDS = re.compile(r"GPU is lost|GPU requires reset|fallen off the bus", re.I)
UNIFIED = re.compile(r"GB10\b|Orin|Thor|Tegra|nvgpu", re.I)
"""Chips that share the host's memory; nvidia-smi gives N/A for it."""
SMI_FAULTS = (
    ("version mismatch", "mismatch"),
    ("couldn't communicate with the nvidia driver", "no-driver"),
    ("driver not loaded", "no-driver"),
    ("driver is not loaded", "no-driver"),
    ("no devices were found", "no-device"),
    ("insufficient permissions", "permission"),
    ("permission denied", "permission"),
    ("couldn't find libnvidia-ml", "no-library"),
    ("nvidia-smi: not found", "no-library"),
    ("command not found", "no-library"),
)


def smi_fault(text: str) -> str:
    """Return the code of nvidia-smi's complaint, or `error`."""
    low = text.lower()
    return next((code for words, code in SMI_FAULTS if words in low), "error")


def smi_value(text: str, kind: str) -> object:
    """Return the value of one cell; raises ValueError with the reason when there is none."""
    found = ABSENT.match(text)
    if found:
        raise ValueError(found.group(1) or "Not given")
    if kind in ("text", "mode"):
        return text.replace("_", " ")[:NAME_LIMIT] if kind == "mode" else text[:NAME_LIMIT]
    if kind == "flag":
        if text not in ("Enabled", "Disabled", "Yes", "No"):
            raise ValueError(text[:NAME_LIMIT])
        return text in ("Enabled", "Yes")
    try:
        if kind == "hex":
            return int(text, 16)
        if kind == "pstate":
            return int(text.lstrip("Pp"))
        number = float(text.split()[0])
        if not -1e15 < number < 1e15:
            raise ValueError
        return number if kind == "float" else int(number) << 20 if kind == "mib" else int(number)
    except (ValueError, IndexError):
        raise ValueError("Not a number: " + text[:NAME_LIMIT]) from None


def smi_gpus(text: str, columns: Sequence[tuple[str, str, str]]) -> tuple[list[Row], list[str], str]:
    """Return the GPUs of nvidia-smi's CSV, the lines that are no table, and the driver's version.

    A line counts only if it has exactly the requested columns and a whole number as its index.
    """
    rows: list[Row] = []
    others: list[str] = []
    driver = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(columns) or not re.match(r"\d{1,4}$", cells[0]):
            if line.strip():
                others.append(line.strip()[:COMMAND_LIMIT])
            continue
        row: Row = {}
        missing: dict[str, str] = {}
        for (_, field, kind), cell in zip(columns, cells):
            if kind == "driver":
                driver = cell if DRIVER_VERSION.match(cell) else driver
                continue
            try:
                value = smi_value(cell, kind)
                why = impossible(field, value)
                if why:
                    raise ValueError(why)
                row[field] = value
            except ValueError as error:
                missing[field] = str(error)
        if "memory_total" in missing and UNIFIED.search(str(row.get("name", ""))):
            row["unified"] = True
        lost = LOST_WORDS.search(line)
        if lost:
            row = {key: value for key, value in row.items() if key in ("index", "uuid", "name", "bus")}
            row["fault"] = lost.group(0)
        elif missing:
            row["missing"] = {key: why for key, why in missing.items() if key != "mig"}
        rows.append(row)
    return rows, others, driver


def smi_apps(text: str, index: dict[str, object]) -> list[App]:
    """Return the compute processes of nvidia-smi's CSV on the GPUs whose uuid is known."""
    apps: list[App] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 3 or not re.match(r"\d{1,10}$", cells[1]) or cells[0] not in index:
            continue
        app: App = {"pid": int(cells[1]), "gpu": index[cells[0]], "kind": "C"}
        with contextlib.suppress(ValueError):
            app["gpu_memory"] = smi_value(cells[2], "mib")
        apps.append(app)
    return apps


SMI_BUS = re.compile(r"(?<![0-9a-f])[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]\b", re.I)


def smi_troubles(others: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return messages about single GPUs by their short bus id, and the other lines outside the table.

    `Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system ...`, and
    `WARNING: infoROM is corrupted at gpu 0000:3B:00.0`.
    """
    troubles: dict[str, str] = {}
    rest: list[str] = []
    for line in others:
        bus = SMI_BUS.search(line)
        if bus is None or re.match(r"\d+\s*,", line):  # a row of another table
            rest.append(line)
            continue
        after = line[bus.end() :].strip(" :.")
        before = re.sub(r"\s*(?:\b(?:at|for|of|on)\b)?\s*(?:\bgpu)?\s*$", "", line[: bus.start()], flags=re.I)
        words = after.partition(".")[0].strip() or before.partition("WARNING:")[2].strip() or before
        troubles.setdefault(short_bus(bus.group(0)), words[:COMMAND_LIMIT] or "It has trouble")
    return troubles, rest


def short_bus(bus: object) -> str:
    """Return a bus id as the kernel writes it: domains of four digits, small letters."""
    return str(bus)[-12:].lower()


def smi_blamed(rows: list[Row], troubles: dict[str, str], known: Sequence[Row]) -> list[Row]:
    """Return the rows of nvidia-smi with its messages about single GPUs, including GPUs without a row."""
    rows = list(rows)
    for bus, words in troubles.items():
        row = next((row for row in rows if short_bus(row.get("bus", "")) == bus), None)
        if row is None:
            taken = {one["index"] for one in (*rows, *known)}
            row = {"index": next(n for n in range(1 << 16) if n not in taken), "bus": bus}
            row = dict(next((one for one in known if short_bus(one.get("bus", "")) == bus), row))
            rows.append(row)
        row.setdefault("fault", words)
    return sorted(rows, key=lambda row: int(str(row["index"])))
