"""The frame of the service as Zabbix gets it: flat rows of numbers and short texts for JSONPath."""

from __future__ import annotations

import re
import zlib
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from gpubox.common import throttle
from gpubox.common.metrics import DISK, GPU, HOST, metric
from gpubox.common.zabbix_items import BOX, ITEMS, JOBS, NO_ALERTS, OWNER, TEXT, UNSIGNED

Row = Dict[str, Any]

WIRE = 1
"""Version of the layout."""
LONGEST = 250
"""Most characters of a text in it."""
_LONGEST_ID = 240
_UNSAFE = re.compile(rb"[^A-Za-z0-9_./ @:+-]")


def zabbix_frame(frame: Row) -> Row:
    """Return what a frame says to Zabbix; a value that it lacks is absent, never null.

    `gpus`, `disks` and `owners` have a row for each, named by `id`: a GPU by its UUID, a disk by its mount,
    an owner by the name of the user; what would need quotes is as %27. `owners` is absent while GPUs
    cannot be read. `discovery` holds what Zabbix discovers of them, and changes only with them.
    """
    sample: Row = frame.get("sample") or {}
    host: Row = sample.get("host") or {}
    gpus = {_gpu_id(gpu): _gpu(gpu, sample) for gpu in sample.get("gpus") or ()}
    mounts = {_id(disk.get("mount")): _line(disk.get("mount")) for disk in host.get("disks") or ()}
    disks = {_id(disk.get("mount")): _values(DISK, disk) for disk in host.get("disks") or ()}
    driver: Row = sample.get("driver") or {}
    box: Row = {
        "time": frame.get("time"),
        "driver": driver.get("version"),
        "gpu_count": len(sample.get("gpus") or ()),
        "alerts": _place(frame.get("alerts") or (), gpus, disks),
    }
    discovery: Row = {"disks": [{"id": place, "mount": mounts[place]} for place in sorted(mounts)]}
    out: Row = {
        "v": WIRE,
        **_chosen(BOX, box),
        "host": _values(HOST, host),
        "jobs": _chosen(JOBS, frame.get("jobs") or {}),
        "gpus": _rows(gpus),
        "disks": _rows(disks),
        "discovery": discovery,
    }
    if sample.get("gpus") and not sample.get("faults"):
        discovery["gpus"] = _discovered(sample)
        owners = _owners(frame.get("owners") or ())
        out["owners"] = [{"id": _id(name), **row} for name, row in owners.items()]
        discovery["owners"] = [{"id": _id(name), "user": name} for name in owners]
    return out


def _discovered(sample: Row) -> List[Row]:
    return sorted(
        (
            {"uuid": _gpu_id(gpu), "index": gpu.get("index"), "name": _line(gpu.get("name")) or "GPU"}
            for gpu in sample["gpus"]
        ),
        key=lambda row: (row["index"] or 0, row["uuid"]),
    )


def _gpu_id(gpu: Row) -> str:
    return _id(gpu.get("uuid")) or f"gpu {gpu.get('index')}"


def _gpu(gpu: Row, sample: Row) -> Row:
    index = gpu.get("index")
    more: Row = {
        "lost": gpu.get("lost_at") is not None or bool(gpu.get("fault")),
        "processes": len(
            {row.get("pid") for row in sample.get("processes") or () if row.get("gpu") == index}
        ),
    }
    mask = gpu.get("throttle")
    if mask is not None:
        words = [reason.short for reason in throttle.REASONS if mask & reason.bit]
        words += [f"0x{throttle.unknown(mask):x}"] if throttle.unknown(mask) else []
        more["throttle_reasons"] = ", ".join(words) or "none"
    return {**_values(GPU, gpu), **_chosen(GPU, more)}


def _owners(owners: Iterable[Row]) -> Dict[str, Row]:
    """Return a row for each user, over all GPUs, by name."""
    rows: Dict[str, Row] = {}
    cards: Dict[str, Set[object]] = {}
    for owner in owners:
        name = _line(owner.get("user")) or "unknown"
        row = rows.setdefault(name, {"gpu_memory": 0, "processes": 0})
        cards.setdefault(name, set()).add(owner.get("uuid"))
        for field in row:
            row[field] += owner.get(field) or 0
    return {name: _chosen(OWNER, {**rows[name], "gpus": len(cards[name])}) for name in sorted(rows)}


def _place(alerts: Iterable[Row], gpus: Dict[str, Row], disks: Dict[str, Row]) -> str:
    """Give GPUs and disks the lines of their alerts, and return the lines of all others.

    An alert about a GPU or a disk that the sample lacks makes a row for it: Zabbix knows it from before.
    """
    lines: Dict[Tuple[str, str], List[str]] = {}
    for alert in alerts:
        kind, _, rest = str(alert.get("subject") or "").partition(" ")
        name = ""
        if kind == GPU and rest:
            name = _id(alert.get("about")) or f"gpu {_id(rest)}"
            gpus.setdefault(name, {})
        elif kind == DISK and rest:
            name = _id(rest)
            disks.setdefault(name, {})
        else:
            kind = BOX
        lines.setdefault((kind, name), []).append(alert_line(alert))
    for kind, rows in ((GPU, gpus), (DISK, disks)):
        for name, row in rows.items():
            row["alerts"] = _joined(lines.get((kind, name)))
    return _joined(lines.get((BOX, "")))


def alert_line(alert: Row) -> str:
    """Return an alert as a line of the item `alerts`: its code, a colon, and its words."""
    title, text, hint = [_line(alert.get(part)) for part in ("title", "text", "hint")]
    said = f"{title}: {text}" if text else title
    return f"{_line(alert.get('code'))}: {said}" + (f" → {hint}" if hint else "")


def _joined(lines: Optional[List[str]]) -> str:
    return "\n".join(lines) if lines else NO_ALERTS


def _rows(rows: Dict[str, Row]) -> List[Row]:
    return [{"id": name, **row} for name, row in rows.items()]


def _values(subject: str, record: Row) -> Row:
    return _chosen(subject, {item.name: metric(subject, item.name).of(record) for item in ITEMS[subject]})


def _chosen(subject: str, values: Row) -> Row:
    """Return the values that Zabbix has items for, in the types of those items."""
    out: Row = {}
    for item in ITEMS[subject]:
        value = values.get(item.name)
        if value is None:
            continue
        if item.name == "alerts":
            out[item.name] = value  # made of clean lines
        elif item.kind == TEXT:
            out[item.name] = _line(value)
        else:
            number = float(value)
            out[item.name] = int(number) if item.kind == UNSIGNED or number.is_integer() else round(number, 3)
    return out


def _id(text: object) -> str:
    """Return text as a name that needs no quoting: Zabbix 6.0 cannot quote within a JSONPath."""
    safe = _UNSAFE.sub(lambda match: b"%%%02X" % match[0][0], _line(text).encode()).decode()
    return safe if len(safe) <= _LONGEST_ID else f"{safe[:_LONGEST_ID]}~{zlib.crc32(safe.encode()):08x}"


def _line(text: object) -> str:
    """Return text of the box on one line, without characters that act on a terminal or a page."""
    said = "" if text is None else str(text)[: LONGEST + 1]
    clean = "".join(char if char.isprintable() else " " for char in said).strip()
    return clean[: LONGEST - 1] + "…" if len(clean) > LONGEST else clean
