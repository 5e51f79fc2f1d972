"""The load of the demo box's simulated GPUs: real processes, its trainings and the jobs that lease one.

It runs inside the probe, beside simulated.py (Python 3.8 or newer, standard library only). Processes of a job
have GPUBOX_JOB, the UUID of a GPU in CUDA_VISIBLE_DEVICES, and the same GPUBOX_DEMO_WORK.
"""

from __future__ import annotations

import json
import math
import os
import time

SETTLED = 2.0
"""Seconds after which the environment of a process is final: it may exec before."""
WRAPPERS = frozenset(
    ["sh", "bash", "dash", "zsh", "ksh", "fish", "env", "nice", "nohup", "time", "timeout", "script", "make"]
)
"""Programs that only start others."""


class Load:
    """The load on a GPU at one moment, as shares of 1."""

    def __init__(
        self, util: float = 0.0, power: float = 0.0, memory: float = 0.0, copies: float = 0.0
    ) -> None:
        self.util = util
        self.power = power
        self.memory = memory  # MiB
        self.copies = copies  # share of the PCIe link


def noise(moment: float, seed: int) -> float:
    """Return a number from 0 to 1 that depends only on the moment, and changes every quarter of a second."""
    number = (int(moment * 4) * 0x9E3779B1 + seed * 0x85EBCA6B) & 0xFFFFFFFF
    for factor in (0x7FEB352D, 0x846CA68B):
        number = ((number ^ (number >> 15)) * factor) & 0xFFFFFFFF
    return ((number ^ (number >> 16)) & 0xFFFFFF) / 0x1000000


def training(age: float) -> Load:
    """Return the load of a large training: epochs of a minute with validation and a checkpoint at the end."""
    if age < 6:  # the context, then the model, then the first batch
        return Load(0.04, 0.1, 420.0 if age < 2 else 3100.0 if age < 4 else 11400.0, 0.5)
    place = age % 60
    if place >= 57:
        return Load(0.03 + 0.05 * noise(age, 1), 0.16, 19150.0, 0.02)
    if place >= 50:
        return Load(0.74 + 0.1 * noise(age, 2), 0.62, 19870.0, 0.12)
    if age % 23 < 1.4 and noise(age // 23 * 23, 3) < 0.7:  # the next batch was not ready
        return Load(0.28 + 0.3 * noise(age, 4), 0.5, 19150.0, 0.05)
    full = 1.03 if place % 20 > 12 else 0.9
    return Load(0.96 + 0.04 * noise(age, 5), full + 0.03 * noise(age, 6), 19150.0, 0.3)


def sweep(age: float) -> Load:
    """Return the load of successive small runs that wait for the CPU to prepare their data."""
    place = age % 150
    if place < 9:
        return Load(0.02 * noise(age, 7), 0.08, 640.0 if place < 5 else 6900.0, 0.01)
    wave = 0.08 * math.sin(age / 9) + 0.05 * math.sin(age / 2.3)
    stall = 0.3 if age % 8 < 1 else 0.0
    return Load(0.66 + wave + 0.12 * noise(age, 8) - stall, 0.7 + wave - stall / 2, 6900.0, 0.18)


def job(age: float) -> Load:
    """Return the load of a job: on its GPU within seconds, with a short dip after every eight."""
    if age < 1.5:
        return Load(0.05, 0.1, 420.0 if age < 0.8 else 2100.0, 0.4)
    if age % 8 < 1:
        return Load(0.22 + 0.2 * noise(age, 9), 0.35, 5320.0, 0.05)
    return Load(0.88 + 0.1 * noise(age, 10), 0.84 + 0.1 * noise(age, 11), 5320.0, 0.25)


KINDS = {"training": training, "sweep": sweep, "job": job}


class Job:
    """A process of a job, with its GPUs."""

    def __init__(self, pid: int, name: str, uuids: list[str]) -> None:
        self.pid = pid
        self.job = name
        self.uuids = uuids
        self.start = start_of(pid)
        """Its start in clock ticks after boot, and as a time."""
        self.began = clock_of(self.start)


class Workload:
    """The processes that cause the load."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.items: list[tuple[int, int, str, float]] = []
        if path:
            with open(path, encoding="utf-8") as file:
                self.items = json.load(file)
        self.states: dict[int, str] = {}
        self.looked = 0.0
        self.jobs: list[Job] = []
        """The process of each job that loads its GPUs."""
        self._seen: dict[int, tuple[float, Job | None]] = {}
        """By pid: when a process was first seen, and its job, if any."""

    def look(self, now: float) -> None:
        """Update the living and the stopped processes; once per reading is enough."""
        if not 0 <= now - self.looked < 0.2:
            self.looked = now
            self.jobs = self._workers(now) if self.path else []
            pids = [pid for pid, _, _, _ in self.items] + [worker.pid for worker in self.jobs]
            self.states = {pid: state(pid) for pid in pids}

    def _workers(self, now: float) -> list[Job]:
        """Return one process of each job: the oldest that is not a wrapper."""
        rows: dict[str, list[Job]] = {}
        for found in self._processes(now):
            rows.setdefault(found.job, []).append(found)
        workers: list[Job] = []
        for found in rows.values():
            found.sort(key=lambda each: (each.start, each.pid))
            workers.append(next((each for each in found if name(each.pid) not in WRAPPERS), found[0]))
        return workers

    def _processes(self, now: float) -> list[Job]:
        """Return the processes of jobs; known processes are not read again."""
        try:
            pids = [int(word) for word in os.listdir("/proc") if word.isdigit()]
        except OSError:  # no /proc: no jobs either
            return []
        seen, self._seen = self._seen, {}
        for pid in pids:
            first, found = seen.get(pid, (now, None))
            if pid not in seen or (found is None and now - first < SETTLED):
                found = self._read(pid)
            if found is not None and start_of(pid) != found.start:
                found = self._read(pid)
            self._seen[pid] = first, found
        return [found for _, found in self._seen.values() if found is not None]

    def _read(self, pid: int) -> Job | None:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                rows = file.read().decode("utf-8", "replace").split("\0")
        except OSError:  # it ended, or belongs to another user
            return None
        variables = {row.partition("=")[0]: row.partition("=")[2] for row in rows}
        uuids = [word for word in variables.get("CUDA_VISIBLE_DEVICES", "").split(",") if word]
        if not uuids or variables.get("GPUBOX_DEMO_WORK") != self.path or "GPUBOX_JOB" not in variables:
            return None
        return Job(pid, variables["GPUBOX_JOB"], uuids)

    def on(self, index: int, uuid: str) -> list[tuple[int, str, str, float]]:
        """Return pid, state, kind and start of the living work on a GPU."""
        rows = [
            (pid, self.states.get(pid, ""), kind, began)
            for pid, gpu, kind, began in self.items
            if gpu == index
        ]
        rows += [
            (worker.pid, self.states.get(worker.pid, ""), "job", worker.began)
            for worker in self.jobs
            if uuid in worker.uuids
        ]
        return [row for row in rows if row[1]]

    def load(self, index: int, uuid: str, moment: float) -> Load:
        """Return the load on a GPU at a moment, from the present processes."""
        total = Load()
        for _, doing, kind, began in self.on(index, uuid):
            if moment < began and kind == "job":
                continue  # the GPU was idle before
            load = KINDS[kind](max(0.0, moment - began))
            total.memory += load.memory
            if doing != "T":
                total.util, total.power = min(1.0, total.util + load.util), total.power + load.power
                total.copies += load.copies
        return total


def state(pid: int) -> str:
    """Return the kernel's state letter of a process, or "" when it is gone or a zombie."""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    fields = stat(pid)
    if not fields:
        return "" if os.path.isdir("/proc/self") else "S"
    return "" if fields[0] in "ZX" else fields[0]


def start_of(pid: int) -> int:
    """Return when a process started, in clock ticks after boot; 0 when it is gone."""
    fields = stat(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def clock_of(start: int) -> float:
    """Return the time of a moment in clock ticks after boot."""
    since = time.clock_gettime(time.CLOCK_BOOTTIME) - start / os.sysconf("SC_CLK_TCK")
    return time.time() - since


def name(pid: int) -> str:
    """Return the name of a program; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; empty when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode().split()
    except OSError:
        return []
