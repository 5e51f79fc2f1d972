"""Facts of the kernel log of this boot: Xid errors of GPUs, and other messages about hardware."""

from __future__ import annotations

import os
import re
import time

from gpubox.remote.checks import commands
from gpubox.remote.kernel_files import read_text, rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List, Optional, Tuple

    Row = Dict[str, Any]
    Line = Tuple[Optional[float], str]

LINES = 5000
"""Most lines that are asked of the journal; a busy boot has 2,000."""
MOST = 120
"""Most rows of a kind."""
TEXT = 200
"""Most characters of a message that travel."""
PROGRAMS = 5
BURST = 180.0
"""Reports within so many seconds of each other have one cause."""
DAY = 86400.0
LONGEST = 1e9
"""Seconds that no machine was up; programs that may write to the log can write any number."""
FROM_BOOT = 30.0
"""A log whose first line is older than this in seconds after the boot has lost nothing."""

_STAMP = re.compile(r"(?:<\d+>)?\[\s*(\d+\.\d+)\](?:\s*\[\s*[TC]\d+\])?\s?")
_JOURNAL = re.compile(r"\[\s*(\d+\.\d+)\]\s+\S+\s+kernel:\s?")
XID = re.compile(r"NVRM: (?:GPU at )?Xid \((?:PCI:)?([^)]+)\): (\d{1,5})(?!\d),?\s*(.*)")
SXID = re.compile(r"SXid \((?:PCI:)?([^)]+)\): (\d{1,6})(?!\d),?\s*(.*)")
_PID = re.compile(r"pid=('?<unknown>'?|\d+)(?:,\s*name=(<unknown>|.*?))?(?:,\s+|$)")
"""A name may hold a comma; one that is followed by a space ends it."""
_ADDRESS = r"([0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.?[0-7]?)"

MATCHERS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("fallen", r"NVRM: GPU %s: GPU has fallen off the bus" % _ADDRESS),
        ("fallen", r"NVRM:.*fallen off the bus and is not responding()"),
        ("needs-open", r"requires use of (?:the )?NVIDIA open kernel modules()"),
        ("ignored", r"NVRM:.*(?:will ignore this GPU|Legacy drivers|is not supported by the)()"),
        ("init", r"NVRM: GPU %s: RmInitAdapter failed" % _ADDRESS),
        ("init", r"NVRM: RmInitAdapter failed()"),
        ("power", r"NVRM:.*(?:[Ii]nsufficient(?:ly)? power|not (?:properly )?powered|power connectors?)()"),
        ("mismatch", r"NVRM: API mismatch()"),
        ("taken", r"NVRM: The NVIDIA probe routine was not called for ()\d+ device"),
        ("no-card", r"NVRM: No NVIDIA (?:GPU|graphics adapter) found()"),
        ("rejected", r"[Kk]ey was rejected by service()|Loading of (?:unsigned )?module.*is rejected"),
        ("lockdown", r"Lockdown: .*(?:unsigned module loading|module signature) is restricted()"),
        ("pcie-fatal", r"(?:^|\s)\S+ %s: (?:\w+: )?PCIe Bus Error: severity=Uncorrected" % _ADDRESS),
        ("pcie", r"(?:^|\s)\S+ %s: (?:\w+: )?PCIe Bus Error: severity=Corrected" % _ADDRESS),
        ("oom-limit", r"Memory cgroup out of memory: Killed process \d+ \(([^)]*)\)"),
        ("oom", r"[Oo]ut of memory: Killed process \d+ \(([^)]*)\)"),
        ("nvme-lost", r"nvme (\w+): (?:Disabling device after reset failure|Removing after probe failure)"),
        ("nvme-lost", r"block (nvme\w+): no available path"),
        ("nvme", r"nvme (\w+): I/O .*timeout"),
        ("disk", r"Buffer I/O error on dev (\w[\w-]*)"),
        ("disk", r"(?:I/O|critical medium) error, dev (\w+)"),
        ("disk", r"\b(ata\d+)(?:\.\d\d)?: exception Emask"),
        ("disk", r"md/raid\S*: Disk failure on (\w+)"),
        ("read-only", r"Remounting filesystem read-only()"),
        ("blocked", r"INFO: task (\S+?):\d+ blocked for more than \d+ seconds"),
        ("lockup", r"soft lockup - (CPU#\d+) stuck|watchdog: Watchdog detected hard LOCKUP"),
        ("memory-fatal", r"EDAC (MC\d+): \d+ U\w "),
        ("memory", r"EDAC (MC\d+): \d+ CE "),
        ("machine-check", r"\[Hardware Error\]: CPU \d+: Machine Check|Machine check events logged()"),
        ("oops", r"(?:BUG: unable to handle|general protection fault|kernel BUG at|Oops:)()"),
    )
)
"""Kinds of messages; the group is what they are about. The first that matches counts."""
_HINT = re.compile(
    r"NVRM|Xid|rejected|Lockdown|PCIe Bus|emory|nvme|error|exception|md/raid|read-only|blocked|lockup|LOCKUP"
    r"|EDAC|Hardware Error|achine check|BUG|fault|Oops|open kernel"
)
"""Lines without any of these match no pattern: 5,000 lines take 4 ms instead of 80."""


def gather() -> Row:
    """Return the facts."""
    uptime = seconds_up()
    source, lines, why = log()
    boot = booted()
    begins = next((stamp for stamp, _ in lines if stamp is not None), None)
    return {
        "source": source,
        "why": why,
        "whole": source != "" and begins is not None and begins < FROM_BOOT,
        "begins": moment(boot, begins),
        "time": time.time(),
        **parsed(lines, boot, uptime),
    }


def seconds_up() -> Optional[float]:
    """Return the seconds since the boot."""
    found = re.match(r"(\d+\.\d+) ", read_text(rooted("/proc/uptime"), 128))
    return float(found.group(1)) if found else None


def booted() -> Optional[float]:
    """Return when the box was booted, in seconds since the epoch."""
    found = re.search(r"^btime (\d{1,12})$", read_text(rooted("/proc/stat"), 1 << 20), re.M)
    return float(found.group(1)) if found else None


def moment(boot: Optional[float], stamp: Optional[float]) -> Optional[float]:
    """Return a time of the log in seconds since the epoch."""
    if boot is None or stamp is None or stamp > LONGEST:
        return None
    return round(boot + stamp, 3)


def log() -> Tuple[str, List[Line], str]:
    """Return where the log was read, its lines with seconds since the boot, and why it cannot be read.

    The kernel's own buffer is asked first; when it has lost its beginning, the journal may still have it.
    """
    done = commands.run("dmesg")
    buffer = split(done.out, _STAMP) if done is not None and done.status == 0 else []
    first = next((stamp for stamp, _ in buffer if stamp is not None), None)
    if buffer and (first is None or first < FROM_BOOT):
        return "dmesg", buffer, ""
    answer = commands.run(
        "journalctl", "-k", "-b", "-n", str(LINES), "--no-pager", "-q", "-o", "short-monotonic"
    )
    journal = split(answer.out, _JOURNAL) if answer is not None and answer.status == 0 else []
    earlier = next((stamp for stamp, _ in journal if stamp is not None), None)
    if journal and (not buffer or (earlier is not None and first is not None and earlier < first)):
        return "journal", journal, ""
    if buffer:
        return "dmesg", buffer, ""
    return "", [], reason(done)


def reason(done: Optional[commands.Done]) -> str:
    """Return why no log can be read."""
    if read_text(rooted("/proc/sys/kernel/dmesg_restrict"), 16) == "1" and os.getuid() != 0:
        return "kernel.dmesg_restrict is 1, and this login may not read the journal either"
    if done is None:
        return "dmesg is missing or did not answer, and there is no journal of the kernel"
    said = (done.err.strip().splitlines() or ["it is empty"])[-1]
    return "dmesg says: %s; there is no journal of the kernel" % said[:TEXT]


def split(text: str, stamp: "re.Pattern[str]") -> List[Line]:
    """Return lines of a log with their seconds since the boot; one without belongs to the last."""
    lines: List[Line] = []
    last: Optional[float] = None
    for line in text.splitlines():
        found = stamp.match(line)
        if found:
            last = float(found.group(1))
            line = line[found.end() :]
        elif line.startswith("-- "):  # the journal's own remarks
            continue
        lines.append((last, line))
    return lines


def parsed(lines: List[Line], boot: Optional[float], uptime: Optional[float]) -> Row:
    """Return the Xids and the other messages of a log, each kind about each thing once."""
    xids: Dict[Tuple[str, str, int], Row] = {}
    messages: Dict[Tuple[str, str], Row] = {}
    for stamp, line in lines:
        if not _HINT.search(line):
            continue
        found = XID.search(line)
        kind = "xid"
        if found is None:
            found, kind = SXID.search(line), "sxid"
        if found is not None:
            count_xid(xids, kind, found, stamp, uptime)
        else:
            count_message(messages, stamp, line)
    rows = [finished(row, boot) for row in [*xids.values()][:MOST]]
    others = [finished(row, boot) for row in [*messages.values()][:MOST]]
    return {"xids": rows, "messages": others}


def count_xid(
    xids: Dict[Tuple[str, str, int], Row],
    kind: str,
    found: "re.Match[str]",
    stamp: Optional[float],
    uptime: Optional[float],
) -> None:
    """Add a report of an Xid to those of its card and code."""
    address, code, rest = found.group(1).strip()[:40], int(found.group(2)), found.group(3).strip()
    pid, name, words = owner(rest)
    row = xids.setdefault(
        (kind, address, code),
        {
            "kind": kind,
            "address": address,
            "code": code,
            "count": 0,
            "bursts": 0,
            "bursts_day": 0,
            "first": stamp,
            "last": None,
            "text": "",
            "programs": [],
            "pids": set(),
        },
    )
    row["count"] += 1
    if row["last"] is None or stamp is None or stamp - row["last"] > BURST:
        row["bursts"] += 1
        row["bursts_day"] += uptime is None or stamp is None or uptime - stamp <= DAY
    row["last"] = stamp if stamp is not None else row["last"]
    if kind == "xid" or not words.startswith(("Severity ", "Data ")):  # the lines that follow an SXid
        row["text"] = re.sub(r"\s+", " ", words)[:TEXT]
    if pid:
        row["pids"].add(pid)
    if name and name not in row["programs"] and len(row["programs"]) < PROGRAMS:
        row["programs"].append(name)


def owner(rest: str) -> Tuple[str, str, str]:
    """Return the process, its name, and the remaining words of a report; "" for what it does not say."""
    found = _PID.match(rest)
    if not found:
        return "", "", rest
    pid = "" if "unknown" in found.group(1) else found.group(1)
    name = found.group(2) or ""
    return pid, "" if "unknown" in name else name.strip()[:64], rest[found.end() :]


def count_message(messages: Dict[Tuple[str, str], Row], stamp: Optional[float], line: str) -> None:
    """Add a line that is about hardware to those of its kind."""
    for kind, pattern in MATCHERS:
        found = pattern.search(line)
        if not found:
            continue
        subject = next((part for part in found.groups() if part), "")[:64]
        row = messages.setdefault(
            (kind, subject), {"kind": kind, "subject": subject, "count": 0, "first": stamp}
        )
        row["count"] += 1
        row["last"] = stamp
        row["text"] = re.sub(r"\s+", " ", line).strip()[:TEXT]
        return


def finished(row: Row, boot: Optional[float]) -> Row:
    """Return a row as it travels, with times since the epoch."""
    row = dict(row, first=moment(boot, row["first"]), last=moment(boot, row["last"]))
    if "pids" in row:
        row["pids"] = len(row["pids"])
    return row
