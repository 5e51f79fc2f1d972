"""Builds samples from the output of plain.sh on a box without Python."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gpubox.common.proc import cpu_share, cpu_times, disk_bytes, memory_facts, net_bytes
from gpubox.common.sample_format import COMMAND_LIMIT, DRIVER_VERSION, NAME_LIMIT, WIRE
from gpubox.common.smi import BASIC, SMI_COLUMNS, smi_apps, smi_blamed, smi_fault, smi_gpus, smi_troubles
from gpubox.core.bounds import whole
from gpubox.core.decode import decode
from gpubox.core.errors import ProbeError
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean_bytes

_LINE = 4096
"""Most bytes of a line; no line of /proc is as long."""
_LINES = 5000
"""Most lines of one kind: 64 GPUs with 1,000 processes have a quarter of it."""


class ShellSampleReader:
    """Turns the lines of plain.sh into samples, one per block."""

    def __init__(self) -> None:
        self._block: dict[str, list[str]] = {}
        self._facts: dict[str, list[str]] = {}
        """Lines of the first block, which later ones do not repeat."""
        self._parts: dict[str, list[str]] = {}
        """The newest complete answers of nvidia-smi and df, which arrive in pieces between blocks."""
        self._host: dict[str, object] = {}
        self._times: dict[str, tuple[int, int]] = {}
        self._counters: dict[str, tuple[float, int, int]] = {}
        self._gpus: dict[str, object] = {}
        self._known: list[dict[str, object]] = []
        """The GPUs of the newest answer, without their readings."""
        self._seq = 0
        self._at: float | None = None

    def feed(self, line: bytes) -> Sample | None:
        """Process one line; return a sample when it ends a block. Lines of other programs are ignored."""
        text = clean_bytes(line[:_LINE].rstrip(b"\n"), _LINE)
        if text == ".":
            return self._sample()
        kind, _, rest = text.partition(" ")
        if len(kind) != 1 or not kind.isalpha():
            return None
        if kind in "gd":
            self._piece(kind, rest)
        else:
            group = self._facts if kind in "obvkisxh" else self._block
            lines = group.setdefault(kind, [])
            if len(lines) < _LINES and (kind != "v" or not lines):
                lines.append(rest)
        return None

    def _piece(self, kind: str, rest: str) -> None:
        lines = self._block.get(kind, [])
        if rest == "=":
            self._block[kind] = []
        elif rest == ".":
            self._parts[kind] = self._block.pop(kind, [])
        elif kind in self._block and len(lines) < _LINES:
            lines.append(rest)

    def _sample(self) -> Sample:
        block, open_parts = self._block, {key: self._block[key] for key in "gd" if key in self._block}
        self._block = open_parts
        now = time.monotonic()
        interval = 1.0 if self._at is None else round(now - self._at, 1)
        self._at = now
        self._seq += 1
        self._read_host(block)
        gpus = self._read_gpus(block)
        frame: dict[str, object] = {
            "v": WIRE,
            "seq": self._seq,
            "time": round(time.time(), 3),
            "interval": max(0.1, interval),
        }
        try:
            return decode(msgspec.json.encode({**frame, "host": self._host, **gpus}))
        except (ProbeError, OverflowError):  # an impossible number: the lines with it are not trusted
            self._host, self._gpus = {}, {}
            return decode(msgspec.json.encode(frame))

    def _read_host(self, block: Mapping[str, list[str]]) -> None:
        host = self._host
        if "k" in self._facts and not host:
            host.update(_machine(self._facts))
        for kind, part in (
            ("c", self._cpu),
            ("l", _load),
            ("u", _uptime),
            ("m", _memory),
            ("n", self._net),
            ("q", self._disk),
        ):
            try:
                host.update(part(block.get(kind, [])))
            except (ValueError, IndexError, OverflowError):
                continue
        if "d" in self._parts:
            host["disks"] = _disks(self._parts.pop("d"))

    def _cpu(self, lines: list[str]) -> dict[str, object]:
        old, self._times = self._times, cpu_times("\n".join(lines))
        shares = {name: cpu_share(old.get(name), ticks) for name, ticks in self._times.items()}
        cores = [share for name, share in shares.items() if name != "cpu" and share is not None]
        whole = shares.get("cpu")
        return {} if whole is None else {"cpu": whole, "cores": cores}

    def _net(self, lines: list[str]) -> dict[str, object]:
        chosen = set(self._facts.get("i", []))
        pick: Callable[[str], bool] = chosen.__contains__ if chosen else lambda name: name != "lo"
        return self._rate("net", net_bytes("\n".join(lines), pick), ("net_receive", "net_send"))

    def _disk(self, lines: list[str]) -> dict[str, object]:
        chosen = set(self._facts.get("s", []))
        if not chosen:
            return {}
        total = disk_bytes("\n".join(lines), chosen.__contains__)
        return self._rate("disk", total, ("disk_read", "disk_write"))

    def _rate(self, key: str, new: tuple[int, int], names: tuple[str, str]) -> dict[str, object]:
        now = time.monotonic()
        old = self._counters.get(key)
        self._counters[key] = (now, *new)
        if old is None or now - old[0] < 0.05:
            return {}
        pairs = zip(names, new, old[1:], strict=True)
        return {name: max(0.0, (value - then) / (now - old[0])) for name, value, then in pairs}

    def _read_gpus(self, block: Mapping[str, list[str]]) -> dict[str, object]:
        if waited := block.get("w"):
            fault = {"code": "hang", "detail": f"nvidia-smi gives no answer for {waited[-1]} seconds"}
            silent = [{**row, "fault": "nvidia-smi does not answer"} for row in self._known]
            return {"driver": self._gpus.get("driver", {}), "gpus": silent, "faults": [fault]}
        if "g" in self._parts:
            rows, self._gpus = _gpus(self._parts.pop("g"), self._facts, self._known)
            keep = ("index", "uuid", "name", "bus")
            self._known = [{key: row[key] for key in keep if key in row} for row in rows]
        return self._gpus


def _load(lines: list[str]) -> dict[str, object]:
    return {"load": [float(word) for word in lines[0].split()[:3]]}


def _uptime(lines: list[str]) -> dict[str, object]:
    return {"uptime": float(lines[0].split()[0])}


def _memory(lines: list[str]) -> dict[str, object]:
    text = "\n".join(lines)
    return memory_facts(text, text)  # the facts of ZFS's cache follow those of the memory


def _gpus(
    lines: list[str], facts: Mapping[str, list[str]], known: Sequence[dict[str, object]]
) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Return the GPUs of nvidia-smi's answer, and the fields of a sample that follow from it."""
    table, status, rest = _cut(lines)
    wide = any(line.count(",") >= len(SMI_COLUMNS) - 1 for line in table)
    columns = SMI_COLUMNS if wide else SMI_COLUMNS[:BASIC]
    rows, others, version = smi_gpus("\n".join(table), columns)
    troubles, others = smi_troubles(others)
    rows = smi_blamed(rows, troubles, known)
    apps_end = rest.index("= apps") if "= apps" in rest else len(rest)
    index = {str(row["uuid"]): row["index"] for row in rows if "uuid" in row}
    apps = smi_apps("\n".join(rest[:apps_end]), index)
    people = _people(rest[apps_end + 1 :])
    kernel = DRIVER_VERSION.search("\n".join(facts.get("v", [])).partition("Module")[2])
    driver = {
        "source": "nvidia-smi" if rows else "none",
        "version": version or (kernel.group(1) if kernel else None),
    }
    faults = [] if rows and not others else [_fault(" / ".join(others[:3]), status, facts, kernel)]
    processes = [{**app, **people.get(int(str(app["pid"])), {})} for app in apps]
    return rows, {"driver": driver, "gpus": rows, "processes": processes, "faults": faults}


def _cut(lines: list[str]) -> tuple[list[str], int, list[str]]:
    """Return the lines before nvidia-smi's exit status, the status, and the lines after it."""
    for place, line in enumerate(lines):
        if found := re.fullmatch(r"= (\d+)", line):
            return lines[:place], int(found.group(1)), lines[place + 1 :]
    return lines, 0, []


def _fault(
    words: str, status: int, facts: Mapping[str, list[str]], kernel: re.Match[str] | None
) -> dict[str, object]:
    """Return the fault, from nvidia-smi's message and the driver's files on the box."""
    code = "no-library" if status == 127 else smi_fault(words)
    if status == 124:
        code, words = "hang", "nvidia-smi gave no answer for 60 seconds"
    seen = facts.get("x", [])
    if code == "no-library" and kernel is None:
        code = "no-driver" if seen else "no-device"
    fault: dict[str, object] = {
        "code": code,
        "detail": words or f"nvidia-smi ended with {status} and no word",
        "looked": ["nvidia-smi in PATH", "/sys/bus/pci/devices (vendor 0x10de)", "/dev/nvidia*", *seen],
    }
    if code == "mismatch":
        library = DRIVER_VERSION.search(words.partition("NVML library version")[2])
        fault["library_version"] = library.group(1) if library else None
        fault["kernel_version"] = kernel.group(1) if kernel else None
    return fault


def _people(lines: list[str]) -> dict[int, dict[str, object]]:
    """Return the facts of each process from `ps`."""
    found: dict[int, dict[str, object]] = {}
    for line in lines:
        words = line.split(None, 5)
        if len(words) < 6:
            continue
        pid, memory, ran = whole(words[0]), whole(words[2]), whole(words[3])
        if pid is None or memory is None or ran is None:
            continue
        program = words[5].split()[0]
        found[pid] = {
            "user": words[1],
            "memory": memory * 1024,
            "started": max(0, round(time.time() - ran)),
            "state": words[4][0],
            "command": words[5][:COMMAND_LIMIT],
            "name": program.rpartition("/")[2][:NAME_LIMIT],
        }
    return found


def _disks(lines: list[str]) -> list[dict[str, object]]:
    """Return the disks of `df -kPl`, each device once."""
    found: dict[str, dict[str, object]] = {}
    for line in lines:
        words = line.split(None, 5)
        if len(words) < 6 or (used := whole(words[2])) is None or (free := whole(words[3])) is None:
            continue
        if not words[0].startswith("/dev/") or words[0].startswith("/dev/loop") or words[0] in found:
            continue
        total = (used + free) * 1024
        found[words[0]] = {"device": words[0], "mount": words[5], "used": used * 1024, "total": total}
    return list(found.values())


def _machine(facts: Mapping[str, list[str]]) -> dict[str, object]:
    """Return the constant facts of the machine."""
    words = [*facts["k"][0].split(), "", "", ""]
    name = re.search(r'^PRETTY_NAME="?([^"\n]*)', "\n".join(facts.get("o", [])), re.M)
    return {
        "hostname": words[0],
        "kernel": words[1],
        "machine": words[2],
        "distribution": name.group(1) if name else "",
        "boot_id": "".join(facts.get("b", [])[:1]),
        "cpu_model": "".join(facts.get("h", [])[:1]).partition(":")[2].strip(),
    }
