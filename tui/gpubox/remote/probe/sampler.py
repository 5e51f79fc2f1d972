"""Samples a box: the GPUs, the processes and the machine, each reading at its own pace."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque

from gpubox.common.sample_format import WIRE, given
from gpubox.remote import state
from gpubox.remote.json_io import error_line
from gpubox.remote.kernel_files import read_text
from gpubox.remote.probe.gpus import GpuReader
from gpubox.remote.probe.host import HostReader
from gpubox.remote.probe.processes import PAGE, ProcessReader

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would delay the first sample by 3 ms
    from typing import Callable, Dict, TypeVar

    from gpubox.remote.probe.portable import PortableHost, PortableProcesses

    T = TypeVar("T")

    Row = Dict[str, object]
    App = Dict[str, object]


SECOND = 0.15
"""Seconds from the first reading to the second, for rates need two; the others follow at the interval.

The kernel counts processor time in steps of 10 ms on each core, which is 7% of one core or less.
"""


class Schedule:
    """Schedules the readings: each lane has its own period."""

    def __init__(self, periods: dict[str, float]) -> None:
        self.periods = periods
        self.next: dict[str, float] = {}

    def due(self, now: float) -> set[str]:
        """Return the lanes whose time has come, and set their next one.

        A lane that comes due within a tenth of its period is taken along, or it would miss its tick by
        the jitter of the clock and be a whole tick late.
        """
        lanes = set()
        for lane, period in self.periods.items():
            if now >= self.next.get(lane, 0.0) - 0.1 * period:
                lanes.add(lane)
                self.next[lane] = now + period
        return lanes


class ProbeCost:
    """The cost of the probe itself."""

    def __init__(self) -> None:
        self.marks: deque[tuple[float, float]] = deque(maxlen=64)
        self.python = "%d.%d.%d" % sys.version_info[:3]

    def row(self, now: float, tick: float) -> Row:
        """Return CPU over the last ten seconds, memory, Python's version and the time of the last reading."""
        used = time.process_time()
        self.marks.append((now, used))
        while len(self.marks) > 2 and now - self.marks[1][0] >= 10.0:
            self.marks.popleft()
        then, before = self.marks[0]
        words = read_text("/proc/self/statm", 128).split()
        return given(
            {
                "cpu": round(100.0 * (used - before) / (now - then), 2) if now > then else None,
                "memory": int(words[1]) * PAGE if len(words) > 1 else None,
                "python": self.python,
                "tick": round(1000.0 * tick, 1),
            }
        )


class BoxSampler:
    """Builds samples from the readings: for the probe, and for the service that runs without a link."""

    def __init__(self, interval: float, top: int, commands: bool) -> None:
        self.interval = interval
        self.gpus = GpuReader()
        self.cost = ProbeCost()
        self.lanes = Schedule({"fast": 0.0, "warm": 2.0, "apps": 2.0, "slow": 5.0, "rare": 60.0})
        if os.path.isdir("/proc/self"):
            self.host: HostReader | PortableHost = HostReader()
            self.processes: ProcessReader | PortableProcesses = ProcessReader(top, commands)
        else:
            from gpubox.remote.probe.portable import PortableHost, PortableProcesses, find_psutil

            psutil = find_psutil()
            self.host = PortableHost(psutil)
            self.processes = PortableProcesses(psutil, top, commands)
        self.apps: list[App] = []
        self.rows: list[Row] = []
        self.jobs = os.path.join(state.folder("jobs"), ".changed")
        """The file that is touched on each change of a job."""
        self.seq = 0

    def sample(self, pcie: int | None = None) -> Row:
        """Return one sample; `pcie` is the GPU whose bus is measured as well."""
        now = time.monotonic()
        lanes = self.lanes.due(now)
        faults: list[Row] = []
        begun = self.gpus.ask(lanes, pcie)
        host = self.guarded("host", lambda: self.host.tick(lanes, now), {}, faults)
        # The first answer may take a while, for the driver wakes the GPUs; one that was already overdue at
        # the last tick is not waited for again.
        patience = 0.5 * min(1.0, self.interval) if self.seq else 1.0
        gpus, apps, driver, trouble = self.gpus.result(patience if begun else 0.0)
        if self.gpus.cost:
            self.lanes.periods["apps"] = min(10.0, max(2.0, 20 * self.gpus.cost))
        if "apps" in lanes or apps is not self.apps:
            self.apps = apps
            self.rows = self.guarded("processes", lambda: self.processes.tick(apps, now), self.rows, faults)
        if self.processes.count is not None:
            host["processes"] = self.processes.count
        for gpu in gpus:
            if gpu.get("unified") and "memory_total" in host:
                total, free = int(str(host["memory_total"])), int(str(host.get("memory_available", 0)))
                gpu["memory_total"], gpu["memory_used"] = total, total - free
                missing = gpu.get("missing")
                if isinstance(missing, dict):
                    keep = {
                        field: why
                        for field, why in missing.items()
                        if not field.startswith("memory_u") and field != "memory_total"
                    }
                    gpu["missing"] = keep
        self.seq += 1
        row: Row = {
            "v": WIRE,
            "seq": self.seq,
            "time": round(time.time(), 3),
            "interval": self.interval,
            "host": host,
            "driver": driver,
            "gpus": gpus,
            "processes": self.rows,
            "faults": trouble + faults,
            "probe": self.cost.row(now, time.monotonic() - now),
        }
        with contextlib.suppress(OSError):
            row["jobs"] = round(os.stat(self.jobs).st_mtime, 3)
        return row

    def guarded(self, part: str, action: Callable[[], T], instead: T, faults: list[Row]) -> T:
        """Return the result of one part; an unexpected error in it must not end the others."""
        try:
            return action()
        except Exception as error:
            faults.append({"code": "error", "detail": "Reading the %s: %s" % (part, error_line(error))})
            return instead
