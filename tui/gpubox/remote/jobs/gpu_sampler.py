"""Measures a job from outside.

`gpu_sampler sample` is a separate process for each job, which its supervisor can lose, because a driver may
hang forever. It reads one JSON object from stdin, {"id", "supervisor", "main", "folder", "uuids", "visible",
"started"}; `visible` is the job's CUDA_VISIBLE_DEVICES, which counts when no GPU is leased. It appends a
core.record.Tick per second to `samples` in the folder, and writes its results about the GPUs to `gpus.json`
there, a list of core.record.GpuUse. TERM ends it within a second, after a last reading.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from gpubox.remote import process_tree
from gpubox.remote.jobs.gpu_places import MIB, NoLibrary, NvmlReader, People, counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, Optional, Sequence, Set

    Row = Dict[str, Any]

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SHORT = 0.3
"""Seconds below which a share of the CPU is noise: the kernel counts in hundredths."""
PERIOD = 1.0
"""Seconds between two samples."""
EAGER = 10.0
"""First seconds, in which it samples twice as often until the job is on its GPU."""
HOUR = 3600.0
"""Seconds after which samples are means."""
WIDE = 10.0
"""Seconds of such a mean."""
SAVED = 5.0
"""Seconds between two writes of gpus.json."""
PATIENCE = 0.45
"""Seconds that a sample waits for the driver; a later answer belongs to the next one."""
LAST = 0.7
"""Seconds that the last sample waits for the driver."""
GROWN = 64 * MIB
"""Growth of a GPU's memory since the start from which the job is assumed to be on it."""


class Tree:
    """The processes of a job: all descendants of its supervisor, except the supervisor's own helpers."""

    def __init__(self, supervisor: int, main: int) -> None:
        self.supervisor = supervisor
        self.start = process_tree.start_of(supervisor)
        fields = process_tree.stat(supervisor)
        self.session = fields[3] if len(fields) > 3 else b""
        """The supervisor's session, which has the sampler and git; the job has other sessions."""
        self.found: Dict[int, List[bytes]] = {}
        self._roots = [main]
        self._before: Optional[int] = None
        self._spent = 0
        """Clock ticks of CPU at the last look, and at the last sample."""
        self._walk_at = 0.0
        self._gone = 0
        self._base: Optional[int] = None

    def look(self) -> bool:
        """Update the processes; return whether any are left to measure."""
        if not self._lives():
            # The supervisor was killed; the known processes of the job live on, and are followed.
            fresh: Dict[int, List[bytes]] = {}
            for pid in [*self._roots, *self.found]:
                fields = process_tree.stat(pid)
                if len(fields) > 21 and fields[0] not in (b"Z", b"X") and pid not in fresh:
                    fresh[pid] = fields
                    fresh.update(process_tree.tree(pid))
            self.found = fresh
            return bool(fresh)
        now = time.monotonic()
        if now >= self._walk_at:
            found = process_tree.tree(self.supervisor, [os.getpid()])
            self.found = {pid: fields for pid, fields in found.items() if fields[3] != self.session}
            # Where the kernel keeps no lists of children, a walk reads all of /proc: that may take 0.5 %.
            cost = time.monotonic() - now
            self._walk_at = now + (200 * cost if cost > 0.004 else 0.0)
        else:
            known = {pid: process_tree.stat(pid) for pid in self.found}
            self.found = {pid: fields for pid, fields in known.items() if len(fields) > 21}
        return True

    def _lives(self) -> bool:
        return bool(self.start) and process_tree.start_of(self.supervisor) == self.start

    def spent(self) -> int:
        """Return the CPU time so far in clock ticks: of living and of reaped processes."""
        total = sum(int(field) for fields in self.found.values() for field in fields[11:15])
        fields = process_tree.stat(self.supervisor) if self._lives() else []
        ended = int(fields[13]) + int(fields[14]) if len(fields) > 14 else 0
        if self._base is None:
            self._base = ended  # activating the environment is not the job's
        return total + max(0, ended - self._base)

    def cpu(self, seconds: float) -> Optional[float]:
        """Return the CPU use since the last sample, in percent of one core."""
        spent = self.spent()
        before, self._before = self._before, spent
        if seconds <= 0.02:
            return None
        return round(max(0.0, 100.0 * (spent - (before or 0)) / TICKS / seconds), 1)

    @property
    def memory(self) -> int:
        """Return the memory of all of them, in bytes."""
        return PAGE * sum(int(fields[21]) for fields in self.found.values())


class Use:
    """The use of one GPU by a job, summed up; fields as core.record.GpuUse."""

    SUMS = ("util", "power", "clock")

    def __init__(self, uuid: str, saved: Row) -> None:
        self.facts: Row = {"uuid": uuid}
        """Constant facts."""
        sums = saved.get("sums") or {}
        self.sums: Dict[str, List[float]] = {
            name: list(sums.get(name) or (0.0, 0.0)) for name in (*self.SUMS, "busy")
        }
        """Sums of value times seconds, and of seconds."""
        self.first: Optional[float] = sums.get("first")
        """The card's energy counter when the job began, in joules."""
        self.joules: Optional[float] = saved.get("energy")
        self.by: str = saved.get("energy_by", "")
        self.most: Row = {name: saved.get(name) for name in ("peak_memory", "max_temperature", "max_power")}
        self.throttled: Dict[str, float] = dict(saved.get("throttled") or {})
        self.shared: Dict[str, None] = dict.fromkeys(saved.get("shared") or ())
        self.used = bool(saved.get("used"))
        self.inferred = bool(saved.get("inferred"))
        self._at_first: Optional[Row] = None
        self._people = People()

    def take(self, row: Row, seconds: float, ours: Iterable[int], simulated: bool) -> Row:
        """Add a reading that covers some seconds; return it as a core.record.GpuTick."""
        self.facts.update(index=row["index"], name=row["name"], memory_total=row["size"], simulated=simulated)
        memory = self._memory(row, set(ours))
        if self.first is None and not self.sums["power"][1]:
            self.first = row["energy"]  # later it would miss the energy before
        for name in self.SUMS:
            self._sum(name, row[name], seconds)
        if row["util"]:
            self._sum("busy", row["util"], seconds)
        for name, value in (
            ("peak_memory", memory),
            ("max_temperature", row["temperature"]),
            ("max_power", row["power"]),
        ):
            if value is not None:
                self.most[name] = max(value, self.most[name] or 0)
        for reason in row["throttle"]:
            self.throttled[reason] = round(self.throttled.get(reason, 0.0) + seconds, 3)
        self._energy(row["energy"])
        tick: Row = {name: row[name] for name in ("uuid", "util", "total", "power", "temperature", "clock")}
        tick.update(memory=memory, throttle=row["throttle"] or None)
        return {name: value for name, value in tick.items() if value is not None}

    def _sum(self, name: str, value: Optional[float], seconds: float) -> None:
        if value is not None:
            self.sums[name][0] += value * seconds
            self.sums[name][1] += seconds

    def _energy(self, counter: Optional[float]) -> None:
        if counter is not None and self.first is not None and counter >= self.first:
            self.joules, self.by = round(counter - self.first, 3), "counter"
        elif self.by != "counter" and self.sums["power"][1]:
            self.joules, self.by = round(self.sums["power"][0], 3), "power"

    def _memory(self, row: Row, ours: Set[int]) -> Optional[int]:
        """Return the memory of the job's processes, and record other processes."""
        mine = [app for app in row["apps"] if app["pid"] in ours]
        others = [app for app in row["apps"] if app["pid"] not in ours]
        if self._at_first is None:
            self._at_first = {"total": row["total"], "pids": {app["pid"] for app in others}}
        hidden = [
            app
            for app in others
            if app["pid"] not in self._at_first["pids"] and not self._people.who(app["pid"])
        ]
        for app in others:
            if counts(app) and app not in hidden and len(self.shared) < 8:
                self.shared[self._people.words(app["pid"])] = None
        if mine:
            self.used, self.inferred = True, False
            return _total(mine)
        if hidden:
            # In a container the driver reports other pids than ours; these processes came after the job.
            self.inferred = not self.used
            return _total(hidden)
        before = self._at_first["total"]
        if (
            not others
            and not self.used
            and None not in (before, row["total"])
            and row["total"] - before > GROWN
        ):
            self.inferred = True
            return row["total"] - before
        return 0 if row["listed"] else None

    def row(self, *, last: bool = False) -> Row:
        """Return the sum as a core.record.GpuUse; `sums` has the values to continue from."""
        row = dict(self.facts, **self.most)
        for name, sums in (
            ("mean_util", "util"),
            ("busy_util", "busy"),
            ("mean_power", "power"),
            ("mean_clock", "clock"),
        ):
            total, seconds = self.sums[sums]
            row[name] = round(total / seconds, 2) if seconds else None
        row.update(energy=self.joules, energy_by=self.by, throttled=self.throttled)
        row.update(used=self.used, inferred=self.inferred, shared=list(self.shared))
        if not last:
            row["sums"] = dict(self.sums, first=self.first)
        return {name: value for name, value in row.items() if value or isinstance(value, (int, float))}


def _total(apps: Sequence[Row]) -> Optional[int]:
    parts = [app.get("gpu_memory") for app in apps]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


class DriverReader:
    """Reads the job's GPUs in a thread of its own, because a driver may block forever."""

    def __init__(self, uuids: Sequence[str], visible: Optional[str] = None) -> None:
        import threading

        self.uuids = uuids
        self.visible = [word.strip() for word in (visible or "").split(",") if word.strip()]
        """Without a lease, the GPUs of the job's environment; without these too, all GPUs of the box."""
        self.rows: Optional[List[Row]] = None
        """The newest reading; None before the first."""
        self.simulated = False
        self._slow_at = 0.0
        self._last = False
        self._wake = threading.Event()
        self._done = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def ask(self, patience: float, *, last: bool = False) -> bool:
        """Request a reading and wait for `patience` seconds; return whether `rows` is new."""
        self._last = last
        self._wake.set()
        fresh = self._done.wait(patience)
        self._done.clear()
        return fresh and self.rows is not None

    def _run(self) -> None:
        nvml: Optional[NvmlReader] = None
        retry_at = 0.0
        while True:
            self._wake.wait()
            self._wake.clear()
            if nvml is None and time.monotonic() >= retry_at:
                try:
                    nvml = NvmlReader()
                    self.simulated = nvml.simulated
                except NoLibrary:
                    if not self.uuids:
                        return  # there need not be any GPU
                    retry_at = time.monotonic() + 30.0
                except Exception as error:  # the boundary of the thread: the job's own figures continue
                    print("gpubox: no figures of the GPUs: %s" % error, file=sys.stderr, flush=True)
                    retry_at = time.monotonic() + 30.0
            if nvml is not None:
                self.rows = self._read(nvml)
                self._done.set()

    def _read(self, nvml: NvmlReader) -> Optional[List[Row]]:
        lanes = {"fast", "warm", "apps"}
        if self._last or time.monotonic() >= self._slow_at:
            self._slow_at = time.monotonic() + 5.0
            lanes.add("slow")
        try:
            rows = nvml.read(lanes, self.uuids)
            return [row for row in rows if not self.visible or self.uuids or _named(row, self.visible)]
        except Exception as error:
            print("gpubox: the GPUs gave no figures: %s" % error, file=sys.stderr, flush=True)
            return None


def _named(row: Row, words: Sequence[str]) -> bool:
    """Return whether CUDA_VISIBLE_DEVICES names a GPU: by its number, or by a prefix of its uuid."""
    uuid = str(row["uuid"])
    return any(word == str(row["index"]) or (len(word) > 3 and uuid.startswith(word)) for word in words)


class Samples:
    """The file of samples: one per second for an hour, then means of ten."""

    def __init__(self, path: str) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._wide: List[Row] = []

    def put(self, tick: Row) -> None:
        """Write a sample, or add it to the next mean."""
        if tick["t"] < HOUR:
            self._write(tick)
            return
        self._wide.append(tick)
        if sum(saved.get("width", PERIOD) for saved in self._wide) >= WIDE - 0.5:
            self.flush()

    def flush(self) -> None:
        """Write the unfinished mean."""
        if self._wide:
            self._write(mean(self._wide))
            self._wide = []

    def _write(self, tick: Row) -> None:
        line = json.dumps(tick, separators=(",", ":")).encode() + b"\n"
        with contextlib.suppress(OSError):
            size = os.fstat(self._handle).st_size
            if os.write(self._handle, line) != len(line):
                os.ftruncate(self._handle, size)  # a full disk stored half of it


def mean(ticks: Sequence[Row]) -> Row:
    """Return several samples as one."""
    last = ticks[-1]
    whole: Row = {"t": last["t"], "log": last["log"], "processes": last["processes"]}
    whole["width"] = round(sum(tick.get("width", PERIOD) for tick in ticks), 2)
    for name in ("cpu", "rss"):
        values = [tick[name] for tick in ticks if name in tick]
        if values:
            whole[name] = (
                int(sum(values) / len(values)) if name == "rss" else round(sum(values) / len(values), 1)
            )
    by_uuid: Dict[str, List[Row]] = {}
    for tick in ticks:
        for gpu in tick.get("gpus") or ():
            by_uuid.setdefault(gpu["uuid"], []).append(gpu)
    if by_uuid:
        whole["gpus"] = [_mean_gpu(uuid, rows) for uuid, rows in by_uuid.items()]
    return whole


def _mean_gpu(uuid: str, rows: Sequence[Row]) -> Row:
    found: Row = {"uuid": uuid}
    for name in ("util", "memory", "total", "power", "temperature", "clock"):
        values = [row[name] for row in rows if name in row]
        if values:
            value = sum(values) / len(values)
            found[name] = int(value) if name in ("memory", "total") else round(value, 1)
    reasons = [reason for row in rows for reason in row.get("throttle") or ()]
    if reasons:
        found["throttle"] = list(dict.fromkeys(reasons))
    return found


class Sampler:
    """Measures one job until TERM, or until none of its processes is left."""

    def __init__(self, job: Row) -> None:
        self.folder = str(job["folder"])
        self.zero = time.monotonic() - (time.time() - float(job["started"]))
        self.tree = Tree(int(job["supervisor"]), int(job["main"]))
        self.samples = Samples(os.path.join(self.folder, "samples"))
        uuids = [str(uuid) for uuid in job.get("uuids") or ()]
        saved = {str(row.get("uuid")): row for row in self._load_saved()}
        self.uses = {uuid: Use(uuid, saved.get(uuid, {})) for uuid in uuids}
        self._saved_uses = saved
        visible = job.get("visible")
        self.watched = not uuids and not visible and visible != ""
        """Whether the job has no GPU assigned; then the GPUs that it was seen on are reported."""
        self.driver = DriverReader(uuids, visible) if uuids or visible != "" else None
        self._written_at = 0.0
        self._read_at: Optional[float] = None
        self._saved_at = -SAVED
        read, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._wake = read
        self._stopped = False

    def _load_saved(self) -> List[Row]:
        """Return the results of an earlier sampler of this job that was killed."""
        try:
            with open(os.path.join(self.folder, "gpus.json"), encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return []
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    def run(self) -> None:
        """Measure."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        due = 0.0
        while not self._stopped:
            now = self._now()
            left = self.tree.look()
            came = self._ask(PATIENCE)
            if not left:
                break
            full = now >= due - 0.02
            if full or came:
                self._put(now)
            if full:
                due = max(due, float(int(now))) + PERIOD
            self._save()
            self._wait(min(due, self._next_look(due)))
        self.tree.look()
        self._ask(LAST, last=True)
        self._put(self._now())
        self.samples.flush()
        self._save(last=True)

    def _now(self) -> float:
        return time.monotonic() - self.zero

    def _hear(self, _number: int, _frame: object) -> None:
        self._stopped = True

    def _next_look(self, due: float) -> float:
        """Return when to look between two samples, while a short job may not be on its GPU yet."""
        now = self._now()
        waits = self.driver is not None and not any(use.used or use.inferred for use in self.uses.values())
        return now + PERIOD / 2 if waits and now < EAGER else due

    def _wait(self, until: float) -> None:
        import select

        left = until - self._now()
        if left > 0 and not self._stopped:
            select.select([self._wake], [], [], left)

    def _ask(self, patience: float, *, last: bool = False) -> bool:
        """Read the GPUs; return whether the job was seen on one for the first time."""
        self._rows: List[Row] = []
        if self.driver is None or not self.driver.ask(patience, last=last):
            return False
        now, before = self._now(), any(use.used or use.inferred for use in self.uses.values())
        seconds = now - (self._read_at if self._read_at is not None else max(0.0, now - PERIOD))
        self._read_at = now
        for row in self.driver.rows or ():
            uuid = row["uuid"]
            if uuid not in self.uses:
                self.uses[uuid] = Use(uuid, self._saved_uses.get(uuid, {}))
            use = self.uses[uuid]
            # A gap, such as a minute without an answer of the driver, is not filled with the next reading.
            tick = use.take(row, min(seconds, 2 * PERIOD), self.tree.found, self.driver.simulated)
            if use.used or not self.watched:
                self._rows.append(tick)
        return not before and any(use.used or use.inferred for use in self.uses.values())

    def _put(self, now: float) -> None:
        seconds = now - self._written_at
        self._written_at = now
        tick: Row = {"t": round(now, 2), "log": self._log(), "processes": len(self.tree.found)}
        cpu = self.tree.cpu(seconds)
        tick["cpu"] = cpu if seconds >= SHORT else None
        # When all have ended, their memory a moment before is unknown, but was not zero.
        tick["rss"] = self.tree.memory if self.tree.found else None
        if self._rows:
            tick["gpus"] = self._rows
        if abs(seconds - PERIOD) > 0.05:
            tick["width"] = round(seconds, 2)
        self.samples.put({name: value for name, value in tick.items() if value is not None})

    def _log(self) -> int:
        try:
            return os.stat(os.path.join(self.folder, "log")).st_size
        except OSError:
            return 0

    def _save(self, *, last: bool = False) -> None:
        """Write gpus.json atomically."""
        now = self._now()
        if not self.uses or (now < self._saved_at + SAVED and not last):
            return
        self._saved_at = now
        path = os.path.join(self.folder, "gpus.json")
        fresh = "%s.%d.tmp" % (path, os.getpid())
        rows = [use.row(last=last) for use in self.uses.values() if use.used or not self.watched]
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(handle, "w") as file:
                json.dump(rows, file, indent=1)
            os.rename(fresh, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(fresh)


def main(arguments: Sequence[str]) -> int:
    """Run the command of the first word, and return an exit status."""
    if list(arguments) != ["sample"]:
        sys.stderr.write("gpubox: gpu_sampler knows the word `sample` alone\n")
        return 2
    Sampler(json.loads(sys.stdin.buffer.read().decode())).run()
    sys.stderr.flush()
    # The driver may block its thread forever; nothing here waits for it.
    os._exit(0)
