"""Records of jobs on the box's disk: where they are, how they are written, and their present state.

A record is a folder: spec.json, status.json (a Record, see gpubox.core.record), log, samples, gpus.json,
activation.log, supervisor.log, files/, stop.json (who requested the stop) and reserve (blocks for the last
write on a full disk).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import re
import time

from gpubox.common.sensitive import secret_name, secret_value
from gpubox.remote import private_folder, process_tree, state
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    Row = Dict[str, Any]

ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4,40}")
RESERVE = 65536
ACTIVE = ("queued", "starting", "running", "stopping")
SPARK = 20
"""Most points of the curve of a job's load."""
DAWN = 10.0
"""Seconds after which a record without a status is an interrupted launch."""


def private(folder: str) -> str:
    """Create a private folder for jobs, and return it; raises Refused when it belongs to another user."""
    return private_folder.private(folder, "jobs")


def jobs_folder() -> str:
    """Return the folder of this machine's records, made private; raises Refused."""
    private(state.root())
    return private(state.folder("jobs"))


def folder_of(job: object, *, anywhere: bool = False) -> str:
    """Return the folder of a job's record; raises Refused for an invalid id, and without a record.

    With `anywhere` it searches the records of other machines too: a queue may run a job on another machine
    than the one that accepted it.
    """
    if not isinstance(job, str) or not ID.fullmatch(job):
        raise Refused("Not a job's id", "%s is not of the form YYYYMMDD-HHMMSS-xxxx" % ascii(job)[:80])
    folder = os.path.join(jobs_folder(), job)
    if os.path.isdir(folder):
        return folder
    if anywhere:
        with contextlib.suppress(OSError):
            for machine in os.listdir(state.root()):
                other = os.path.join(state.root(), machine, "jobs", job)
                if os.path.isdir(other) and os.stat(other).st_uid == os.getuid():
                    return other
    raise Refused("No such job", "This box has no record of %s" % job, "It may have been removed")


def _status(folder: str) -> Optional[Row]:
    """Return the last written status of a job, or None when it is missing or unusable."""
    found = load(os.path.join(folder, "status.json"))
    if found is None or not isinstance(found.get("id"), str) or not isinstance(found.get("state"), str):
        return None
    return found


def load(path: str) -> Optional[Row]:
    """Return the JSON object in a file, or None when it is missing or damaged."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read().decode("utf-8", "surrogateescape"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def store(path: str, value: object, reserve: str = "") -> bool:
    """Write JSON atomically; return whether it was written.

    On a full disk the file `reserve` is deleted to make room. Only with `reserve` it waits until the data is
    on the disk, which may take longer than a launch.
    """
    data = (json.dumps(value, indent=1) + "\n").encode()
    number = _replace(path, data, bool(reserve))
    if number in (errno.ENOSPC, errno.EDQUOT) and reserve:
        with contextlib.suppress(OSError):
            os.unlink(reserve)
        number = _replace(path, data, True)
    return number == 0


def _replace(path: str, data: bytes, settled: bool) -> int:
    """Replace a file; return the errno, or 0."""
    fresh = "%s.%d.tmp" % (path, os.getpid())
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if os.write(handle, data) != len(data):
                raise OSError(errno.ENOSPC, "short write")
            if settled:
                os.fsync(handle)
        finally:
            os.close(handle)
        os.rename(fresh, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        return error.errno or errno.EIO
    return 0


def touch(jobs: str) -> None:
    """Mark a change: the probe reports the time of this file."""
    path = os.path.join(jobs, ".changed")
    try:
        os.utime(path, None)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def save(folder: str, record: Row, *, last: bool = False) -> bool:
    """Write a job's status, with `last` into the reserve if needed; return whether it was written."""
    times = {}
    for name in ("submitted", "started", "ended"):
        if record.get(name):
            times[name] = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(record[name]))
    shown = {"id": record["id"], "state": record["state"], "times": times}
    shown.update((name, value) for name, value in record.items() if value not in ("", None, [], {}))
    done = store(os.path.join(folder, "status.json"), shown, os.path.join(folder, "reserve") if last else "")
    touch(os.path.dirname(folder))
    return done


def serial(folder: str) -> int:
    """Return the number of the next job of this box, independent of clocks; 0 on a full disk."""
    try:
        handle = os.open(
            os.path.join(os.path.dirname(folder), ".serial"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except OSError:
        return 0
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        digits = os.read(handle, 32).strip()
        number = int(digits if digits.isdigit() else b"0") + 1
        os.pwrite(handle, b"%d\n" % number, 0)
        return number
    except OSError:
        return 0
    finally:
        os.close(handle)


def refusal(folder: str, record: Row) -> Optional[OSError]:
    """Return why a job's status cannot be written, by trying it; None when it can."""
    path = os.path.join(folder, "status.json")
    number = _replace(path, json.dumps(record).encode(), False)
    return OSError(number, os.strerror(number), path) if number else None


def publishable(spec: Row) -> Row:
    """Return the spec for the disk: without values of secrets and variables of a login."""
    spec = {name: value for name, value in spec.items() if name != "base"}
    given = spec.get("environment") or {}
    names = set(spec.get("hidden") or ())
    secret = {name for name, value in given.items() if secret_name(name) or secret_value(value)}
    hidden = sorted(names | secret)
    open_ones = {name: value for name, value in given.items() if name not in hidden}
    return dict(spec, environment=open_ones, hidden=hidden)


def size(path: str) -> int:
    """Return the size of a file; 0 without one."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _changed(folder: str, *names: str) -> float:
    times = [0.0]
    for name in names:
        with contextlib.suppress(OSError):
            times.append(os.stat(os.path.join(folder, name)).st_mtime)
    return max(times)


def _unborn(folder: str, job: str) -> Optional[Row]:
    """Return the record of a folder without a status: its launch is under way, or was interrupted.

    An unreadable status comes from a power failure.
    """
    spec = load(os.path.join(folder, "spec.json"))
    try:
        begun = os.stat(folder).st_mtime
    except OSError:
        return None
    record = {"id": job, "state": "starting", "submitted": begun, "spec": spec or {"id": job, "argv": [""]}}
    try:
        os.close(os.open(os.path.join(folder, "status.json"), os.O_RDONLY | os.O_CLOEXEC))
        damaged = True
    except FileNotFoundError:
        damaged = False
    except OSError:
        return None  # it cannot be read now, which says nothing about the job
    if damaged or time.time() - begun > DAWN:
        words = "Its launch was cut before it began; nothing of it ran"
        if damaged:
            words = "Its status on the disk is damaged: what became of it is not known"
        record.update(state="ended", ended=begun, ending={"how": "lost", "words": words})
    return record


def _derive(folder: str, record: Row) -> None:
    """Correct a status by the present processes: a killed supervisor cannot write its own end."""
    if record.get("state") not in ACTIVE:
        return
    supervisor, main = record.get("supervisor") or {}, record.get("main")
    elsewhere = record.get("queue_id") or (record.get("spec") or {}).get("backend", "box") != "box"
    if process_tree.alive(supervisor) or (elsewhere and process_tree.rebooted(supervisor)):
        return
    last = max(_changed(folder, "log", "samples", "status.json"), record.get("started") or 0.0)
    if process_tree.rebooted(supervisor):
        words = "The box rebooted while it was %s" % record["state"]
        record.update(state="ended", ended=last, ending={"how": "reboot", "words": words})
    elif process_tree.alive(main):
        record.update(orphaned=True, state="stopping" if record["state"] == "stopping" else "running")
        return
    elif process_tree.elsewhere(supervisor):
        words = "It ran in another container, whose processes cannot be seen from here"
        record.update(state="ended", ended=last, ending={"how": "lost", "words": words})
    else:
        words = "Its supervisor was killed; with what status the command ended is not known"
        if not record.get("started"):
            words = "Its supervisor was killed before the command began"
        record.update(state="ended", ended=last, ending={"how": "lost", "words": words})
    record.update(waits="", ahead=0)


def current(folder: str, *, figures: bool = True) -> Optional[Row]:
    """Return a job's current record; None when there is nothing to read.

    Without `figures` the samples of a running job are not read.
    """
    record = _status(folder)
    if record is None:
        record = _unborn(folder, os.path.basename(folder))
        if record is None:
            return None
    elif record.get("state") in ACTIVE and not process_tree.alive(record.get("supervisor")):
        record = _status(folder) or record  # it may have ended right after we read its status
        _derive(folder, record)
    if not record.get("queue_id"):
        number = process_tree.read(os.path.join(folder, "queue_id"), 64).decode("ascii", "replace").strip()
        record.update({"queue_id": number} if number else {})
    record.pop("times", None)
    record.update(folder=folder, log_bytes=size(os.path.join(folder, "log")), now=time.time())
    if figures and record["state"] != "ended":
        record["gpus"] = gpus(folder) or record.get("gpus") or []
        record["spark"] = spark(folder)
    return record


def gpus(folder: str) -> List[Row]:
    """Return the sampler's results about the job's GPUs; fields as core.record.GpuUse."""
    try:
        with open(os.path.join(folder, "gpus.json"), "rb") as file:
            found = json.loads(file.read().decode("utf-8", "replace"))
    except (OSError, ValueError):
        return []
    return (
        [row for row in found if isinstance(row, dict) and row.get("uuid")] if isinstance(found, list) else []
    )


def _busy(line: bytes) -> Optional[List[float]]:
    """Return time and load of a line of samples, or None for an incomplete line."""
    try:
        tick = json.loads(line.decode("utf-8", "replace"))
        utils = [gpu["util"] for gpu in tick.get("gpus") or () if gpu.get("util") is not None]
        value = sum(utils) / len(utils) if utils else tick.get("cpu")
        found = [float(tick["t"]), float(min(max(value, 0.0), 100.0))]
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    return found if all(map(math.isfinite, found)) else None


def spark(folder: str) -> List[Optional[float]]:
    """Return up to SPARK means of the job's load, 0 to 100.

    It reads only a few lines in each part of the samples: a job of a day has megabytes of them.
    """
    path = os.path.join(folder, "samples")
    total = size(path)
    points: Dict[float, float] = {}
    if not total:
        return []
    try:
        with open(path, "rb") as file:
            for part in range(3 * SPARK):
                file.seek(total * part // (3 * SPARK))
                if part:
                    file.readline(4096)
                found = _busy(file.readline(65536))
                if found:
                    points[found[0]] = found[1]
    except OSError:
        return []
    if not points:
        return []
    span = max(points) or 1.0
    fill: Dict[int, List[float]] = {}
    count = min(SPARK, len(points))
    for when, value in points.items():
        fill.setdefault(int(min(max(count * (when / span), 0.0), count - 1)), []).append(value)
    return [
        round(sum(fill[place]) / len(fill[place]), 1) if place in fill else None for place in range(count)
    ]


def ids(jobs: str) -> List[str]:
    """Return all ids in a folder of records, newest first."""
    return sorted((name for name in os.listdir(jobs) if ID.fullmatch(name)), reverse=True)
