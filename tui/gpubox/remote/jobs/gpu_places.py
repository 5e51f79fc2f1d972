"""The GPUs of a box and their processes, for the queue, which must not give away a used GPU, and the sampler.

It uses NVML, or nvidia-smi, with the probe's handling of drivers' quirks.
"""

from __future__ import annotations

import os
import time

from gpubox.remote import process_tree, users
from gpubox.remote.probe import driver, nvml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

    Row = Dict[str, Any]

MIB = 1 << 20
DESKTOP = 256 * MIB
"""Memory up to which a process that draws does not count as computing."""
HIDDEN = 0.25
"""Share of a GPU's memory without a visible owner from which an invisible process must have it."""

REASONS = (
    (0x080, "power brake"),
    (0x040, "hot (hw)"),
    (0x020, "hot"),
    (0x008, "hw slowdown"),
    (0x004, "power cap"),
    (0x002, "clock setting"),
    (0x010, "sync boost"),
    (0x100, "display clock"),
)
"""Reasons for a low clock, named as in gpubox.common.throttle, except idleness.

A copy, because importing that takes 9 ms and a MiB of memory for each job.
"""


class NoAnswer(Exception):
    """The driver cannot be read; the text says why."""


def throttles(mask: object) -> List[str]:
    """Return the reasons for low clocks, in words."""
    return [name for bit, name in REASONS if isinstance(mask, int) and mask & bit]


class NvmlReader:
    """Reads the GPUs through NVML, with the probe's handling of drivers' quirks."""

    def __init__(self) -> None:
        path = os.environ.get("GPUBOX_NVML_MODULE", "")
        module = driver.stand_in(path) if path else self._pynvml()
        self.nvml = nvml.Nvml(module, "")
        self.simulated = self.nvml.simulated
        try:
            self.nvml.open()
        except self.nvml.calls.errors as error:
            raise NoAnswer("The GPU driver says: %s" % self.nvml.calls.text(error)) from None
        except nvml.DriverGone as error:
            raise NoAnswer("The GPU driver says: %s" % error) from None

    @staticmethod
    def _pynvml() -> Any:
        library, _, detail = driver.load_library([])
        if library is None:
            raise NoLibrary(detail)
        import pynvml

        pynvml.__dict__["nvmlLib"] = library
        return pynvml

    def read(self, lanes: Set[str], uuids: Sequence[str] = ()) -> List[Row]:
        """Read GPUs, or slices of them, and return a row for each; raises NoAnswer.

        `apps` are its processes as in the probe; `bytes` is None if the driver does not report it.
        """
        rows: List[Row] = []
        try:
            for card in self.nvml.cards:
                known = [card.identity.get("uuid"), *(row.get("uuid") for _, row in card.instances)]
                if uuids and not any(uuid in known for uuid in uuids):
                    continue
                if card.handle is None:
                    self.nvml.attach(card)
                if card.handle is not None:
                    self.nvml.read_card(card, lanes, time.monotonic(), None)
                rows += self._rows(card)
        except nvml.DriverGone as error:
            raise NoAnswer("The GPU driver says: %s" % error) from None
        return [row for row in rows if not uuids or row["uuid"] in uuids]

    def _rows(self, card: Any) -> List[Row]:
        values = card.values
        row: Row = {
            "uuid": str(card.identity.get("uuid", "")),
            "index": card.index,
            "name": str(card.identity.get("name", "")),
            "fault": card.fault,
            "util": values.get("util"),
            "total": values.get("memory_used"),
            "size": values.get("memory_total"),
            "power": values.get("power"),
            "temperature": values.get("temperature"),
            "clock": values.get("clock_sm"),
            "throttle": throttles(values.get("throttle")),
            "energy": values.get("energy"),
            "apps": card.apps,
            "listed": "processes" not in card.missing,
        }
        if not card.instances:
            return [row]
        return [self._slice(row, instance) for instance in values.get("mig_instances") or ()]

    def _slice(self, whole: Row, instance: Row) -> Row:
        """Return a slice of a GPU, without readings of the whole GPU that would mislead."""
        apps = [app for app in whole["apps"] if app.get("gpu_instance") == instance.get("gpu_instance")]
        known = {"uuid": instance["uuid"], "name": instance.get("name") or whole["name"], "apps": apps}
        memory = {"total": instance.get("memory_used"), "size": instance.get("memory_total")}
        return dict(whole, **known, **memory, util=None, power=None, energy=None)


class NoLibrary(NoAnswer):
    """There is no NVML on this box."""


class People:
    """Names processes: their program and their user."""

    def __init__(self) -> None:
        self.known: Dict[Tuple[int, int], Tuple[str, str]] = {}

    def who(self, pid: int) -> Optional[Tuple[str, str]]:
        """Return program and user of a process, or None when it is invisible from here."""
        start = process_tree.start_of(pid)
        if not start:
            return None
        if (pid, start) not in self.known:
            self.known[pid, start] = (self._program(pid), self._user(pid))
        return self.known[pid, start]

    def _program(self, pid: int) -> str:
        words = process_tree.read("/proc/%d/cmdline" % pid, 4096).split(b"\0")
        name = os.path.basename(words[0]) or process_tree.read("/proc/%d/comm" % pid).strip()
        return name.decode("utf-8", "replace")[:64] or "?"

    def _user(self, pid: int) -> str:
        try:
            return users.name(os.stat("/proc/%d" % pid).st_uid)
        except OSError:
            return "?"

    def words(self, pid: int, memory: Optional[int] = None) -> str:
        """Return a process in words: `python (pid 812, bob, 642 MiB)`."""
        found = self.who(pid)
        name = found[0] if found else "a process out of sight"
        more = [found[1]] if found else []
        if memory is not None:
            more.append("%d MiB" % (memory // MIB))
        return "%s (%s)" % (name, ", ".join(["pid %d" % pid, *more]))


def counts(app: Row) -> bool:
    """Return whether a process computes on a GPU; one that only draws has little memory there."""
    kind = str(app.get("kind", ""))
    if "M" in kind or kind == "C":
        return True
    memory = app.get("gpu_memory")
    return "C" in kind and (memory is None or memory > DESKTOP)


def places(exclude: Sequence[str], ignore: Sequence[Sequence[int]], jobs: Dict[int, str]) -> List[Row]:
    """Return the GPUs and their processes, fields as core.record.GpuPlace; raises NoAnswer.

    `ignore` are pids and starts of processes that do not count, `jobs` the processes of our jobs. A GPU that
    `exclude` names by uuid or index is left out. A lost GPU has its error as a stranger.
    """
    rows = [row for row in all_gpus() if row["uuid"] not in exclude and str(row["index"]) not in exclude]
    people = People()
    return [_place(row, ignore, jobs, people) for row in rows]


def all_gpus() -> List[Row]:
    """Return a row for each GPU and each slice, from NVML or nvidia-smi; empty without GPUs."""
    try:
        return NvmlReader().read({"fast", "slow", "apps"})
    except NoLibrary as error:
        smi = driver.find_smi()
        if smi:
            return _by_smi(smi)
        fault = driver.no_answer([], "", "", str(error))
    except NoAnswer as error:
        fault = driver.no_answer([], "", "", str(error))
        fault = (
            fault if fault["code"] in ("no-device", "no-driver") else {"code": "error", "detail": str(error)}
        )
    if fault["code"] == "no-device":
        return []
    raise NoAnswer(str(fault["detail"]) or "There is no NVML library on the box")


def _by_smi(path: str) -> List[Row]:
    from gpubox.remote.probe.smi import Smi

    smi = Smi(path)
    smi.tick(time.monotonic())
    if not smi.rows and any(fault["code"] != "no-device" for fault in smi.faults):
        raise NoAnswer("nvidia-smi says: %s" % smi.faults[0]["detail"])
    rows: List[Row] = []
    for row in smi.rows:
        apps = [app for app in smi.apps if app["gpu"] == row["index"]]
        known = {name: row.get(name) for name in ("index", "name", "fault")}
        memory = {"total": row.get("memory_used"), "size": row.get("memory_total")}
        rows.append(dict(known, uuid=str(row.get("uuid", "")), apps=apps, listed=True, **memory))
    return rows


def _place(row: Row, ignore: Sequence[Sequence[int]], jobs: Dict[int, str], people: People) -> Row:
    strangers: List[str] = []
    job = ""
    for app in row["apps"]:
        pid = int(app["pid"])
        if pid in jobs:
            job = job or jobs[pid]
        elif counts(app) and not _ignored(pid, ignore):
            strangers.append(people.words(pid, app.get("gpu_memory")))
    if row.get("fault"):
        strangers.insert(0, str(row["fault"]))
    elif not job and not strangers:
        hidden = _hidden(row)
        if hidden:
            strangers.append("processes out of sight (%d MiB)" % (hidden // MIB))
    place = {"uuid": row["uuid"], "index": row["index"], "name": row["name"]}
    return dict(place, free=not job and not strangers, job=job, strangers=strangers)


def _ignored(pid: int, ignore: Sequence[Sequence[int]]) -> bool:
    return any(row[0] == pid and (not row[1] or row[1] == process_tree.start_of(pid)) for row in ignore)


def _hidden(row: Row) -> int:
    """Return the memory without a process in the driver's list, if it is too much for the driver itself.

    In a container the list may lack processes outside. On Windows it is always empty, and the desktop uses
    some memory.
    """
    parts = [app.get("gpu_memory") for app in row["apps"]]
    total, size = row.get("total"), row.get("size")
    if None in parts or total is None or not size or os.path.exists("/dev/dxg"):
        return 0
    left = total - sum(parts)
    return left if left > HIDDEN * size else 0
