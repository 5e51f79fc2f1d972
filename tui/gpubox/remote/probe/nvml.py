"""The GPUs through NVML, with the quirks of its drivers."""

from __future__ import annotations

import ctypes
import re
import time

from gpubox.common.sample_format import given, impossible
from gpubox.remote.kernel_files import listing, read_text, rooted
from gpubox.remote.probe.nvml_calls import (
    DRIVER_LOST,
    GPU_LOST,
    NOT_HERE,
    NVML_ERROR_FUNCTION_NOT_FOUND,
    NVML_ERROR_GPU_IS_LOST,
    NVML_ERROR_NO_PERMISSION,
    NVML_ERROR_NOT_FOUND,
    NVML_ERROR_NOT_SUPPORTED,
    NVML_ERROR_RESET_REQUIRED,
    NVML_EVENT_TYPE_XID_CRITICAL_ERROR,
    NVML_NO_INSTANCE,
    NVML_PCIE_UTIL_RX_BYTES,
    NVML_PCIE_UTIL_TX_BYTES,
    NVML_SUCCESS,
    NVML_TEMPERATURE_GPU,
    READERS,
    NvmlCalls,
    OldProcess,
    address,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Dict

    Row = Dict[str, object]
    App = Dict[str, object]


class DriverGone(Exception):
    """The driver was unloaded or replaced; NVML must be reopened."""


class NvmlDevice:
    """The known facts of one GPU."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.handle: object = None
        self.identity: Row = {}
        self.values: Row = {}
        self.missing: dict[str, str] = {}
        self.resting: dict[str, float] = {}
        """Readings that this GPU lacks, and when to try again: MIG and ECC can be switched."""
        self.lost_at: float | None = None
        self.fault: str | None = None
        self.xid: int | None = None
        self.xid_at: float | None = None
        self.unified = False
        self.instances: list[tuple[object, Row]] = []
        self.apps: list[App] = []
        self.mps: list[tuple[int, object, object]] = []
        self.seen = 0

    def fail(self, words: str, lost: bool) -> None:
        """Drop the readings but keep the row."""
        self.fault = words
        if lost and self.lost_at is None:
            self.lost_at = round(time.time(), 3)
        self.handle = None
        self.values, self.missing, self.resting, self.apps, self.mps = {}, {}, {}, [], []
        self.unified = False

    def put(self, field: str, value: object) -> None:
        """Store a reading, or why it is missing."""
        why = "Not given" if value is None else impossible(field, value)
        if why:
            self.values.pop(field, None)
            self.missing[field] = why
        else:
            self.values[field] = value
            self.missing.pop(field, None)

    def row(self, simulated: bool) -> Row:
        """Return the row of the GPU for the wire."""
        row: Row = {"index": self.index}
        row.update(self.identity)
        row.update(self.values)
        row.update(
            given({"lost_at": self.lost_at, "fault": self.fault, "xid": self.xid, "xid_at": self.xid_at})
        )
        if simulated:
            row["simulated"] = True
        if self.unified:
            row["unified"] = True
        if self.missing:
            row["missing"] = dict(self.missing)
        return row


class Apps:
    """Reads the processes on a GPU."""

    def __init__(self, calls: NvmlCalls) -> None:
        self.calls = calls
        self.suffixes: tuple[str, ...] = ("_v3", "_v2", "")
        """Versions of the process list, newest first."""

    def read(self, card: NvmlDevice, thorough: bool) -> None:
        """Read one row per process, with its kinds combined; raises NVML's errors."""
        found = [("C", entry) for entry in self.listed(card, "Compute")]
        found += [("G", entry) for entry in self.listed(card, "Graphics")]
        if thorough:  # few boxes run MPS, and each list holds the driver's lock for milliseconds
            card.mps = self.listed(card, "MPSCompute")
        found += [("M", entry) for entry in card.mps]
        busy = self.busy(card) if found else {}
        rows: dict[tuple[int, object], App] = {}
        for kind, (pid, memory, slice_) in found:
            row = rows.setdefault((pid, slice_), {"pid": pid, "gpu": card.index, "kind": ""})
            if kind not in str(row["kind"]):
                row["kind"] = "%s+%s" % (row["kind"], kind) if row["kind"] else kind
            if memory is not None and not impossible("gpu_memory", memory):
                row["gpu_memory"] = max(int(str(memory)), int(str(row.get("gpu_memory", 0))))
            if slice_ is not None:
                row["gpu_instance"] = slice_
            if pid in busy:
                row["sm"] = busy[pid]
        card.apps = list(rows.values())

    def listed(self, card: NvmlDevice, kind: str) -> list[tuple[int, object, object]]:
        """Return pid, memory and slice of a GPU's processes of one kind; raises NVML's errors."""
        try:
            return self.listed_on(card.handle, kind)
        except self.calls.errors as error:
            code = self.calls.code(error)
            if code == NVML_ERROR_NO_PERMISSION and card.instances:
                # Only root may query a whole GPU in MIG mode; each slice may be queried by its user.
                rows: list[tuple[int, object, object]] = []
                for handle, row in card.instances:
                    entries = self.listed_on(handle, kind)
                    rows += [(pid, memory, row.get("gpu_instance")) for pid, memory, _ in entries]
                return rows
            if code in (NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_FUNCTION_NOT_FOUND):
                if kind == "Compute":
                    card.missing["processes"] = self.calls.text(error)
                return []
            raise

    def listed_on(self, handle: object, kind: str) -> list[tuple[int, object, object]]:
        """Return a list of processes in the newest structure that the driver supports."""
        name = "nvmlDeviceGet%sRunningProcesses" % kind
        calls = (*tuple((name + suffix,) for suffix in self.suffixes if suffix), (name,))
        if self.suffixes[-1] == "" and self.calls.chosen.get(calls) is None and self.old(name):
            return self.listed_old(handle, name)
        entries = self.calls.call(calls, handle)
        rows: list[tuple[int, object, object]] = []
        for entry in entries if isinstance(entries, list) else []:
            part = getattr(entry, "gpuInstanceId", None)
            none = part is None or part >= NVML_NO_INSTANCE
            rows.append((entry.pid, getattr(entry, "usedGpuMemory", None), None if none else part))
        return rows

    def old(self, name: str) -> bool:
        """Return whether the library has only the first process list (drivers before 450)."""
        library = getattr(self.calls.n, "nvmlLib", None)
        if library is None:
            return False
        return not hasattr(library, name + "_v2") and hasattr(library, name)

    def listed_old(self, handle: object, name: str) -> list[tuple[int, object, object]]:
        """Return a list of processes from a driver before 450."""
        count = ctypes.c_uint(0)
        function = getattr(self.calls.n.nvmlLib, name)
        if not function(handle, ctypes.byref(count), None):
            return []
        count.value = count.value * 2 + 5
        entries = (OldProcess * count.value)()
        self.calls.check(function(handle, ctypes.byref(count), entries))
        unknown = ctypes.c_ulonglong(-1).value
        return [
            (entry.pid, None if entry.usedGpuMemory == unknown else entry.usedGpuMemory, None)
            for entry in entries[: count.value]
        ]

    def busy(self, card: NvmlDevice) -> dict[int, float]:
        """Return the newest share of the SMs of each process; raises NVML's errors for a lost GPU.

        Shares over 100 are dropped: a zombie was seen with 37,100 percent.
        """
        function = getattr(self.calls.n, "nvmlDeviceGetProcessUtilization", None)
        if function is None or card.resting.get("busy", 0.0) > time.monotonic():
            return {}
        self.calls.doing = "nvmlDeviceGetProcessUtilization"
        try:
            entries = function(card.handle, card.seen)
        except self.calls.errors as error:
            code = self.calls.code(error)
            if code in (*GPU_LOST, *DRIVER_LOST):
                raise
            if code not in (
                NVML_SUCCESS,
                NVML_ERROR_NOT_FOUND,
            ):  # pynvml raises "SUCCESS" when there are no samples
                card.resting["busy"] = time.monotonic() + 60.0
            return {}
        newest: dict[int, tuple[int, int]] = {}
        for entry in entries:
            newest[entry.pid] = max(newest.get(entry.pid, (0, 0)), (entry.timeStamp, entry.smUtil))
            card.seen = max(card.seen, entry.timeStamp)
        return {pid: share for pid, (_, share) in newest.items() if share <= 100}


class NvmlEvents:
    """Receives the driver's critical errors (Xid), where it reports them."""

    def __init__(self, calls: NvmlCalls, cards: list[NvmlDevice]) -> None:
        self.calls = calls
        self.cards = cards
        self.set: object = calls.maybe("nvmlEventSetCreate")
        for card in cards:
            if card.handle is not None and self.set is not None:
                calls.maybe(
                    "nvmlDeviceRegisterEvents", card.handle, NVML_EVENT_TYPE_XID_CRITICAL_ERROR, self.set
                )

    def hear(self) -> None:
        """Receive the errors since the last tick; never waits."""
        for _ in range(16):
            event = self.calls.maybe("nvmlEventSetWait", self.set, 0) if self.set is not None else None
            if event is None:
                return
            device = address(getattr(event, "device", None))
            for card in self.cards:
                if card.handle is not None and address(card.handle) == device:
                    card.xid = int(getattr(event, "eventData", 0))
                    card.xid_at = round(time.time(), 3)


class Nvml:
    """Reads every GPU through NVML; one that fails keeps its row and never hides the others."""

    def __init__(self, module: ModuleType, path: str) -> None:
        self.calls = NvmlCalls(module)
        self.path = path
        self.simulated = bool(getattr(module, "SIMULATED", False))
        self.apps = Apps(self.calls)
        self.cards: list[NvmlDevice] = []
        self.events: NvmlEvents | None = None
        self.driver: Row = {}

    def open(self) -> None:
        """Initialize and find the GPUs; raises NVML's errors."""
        n = self.calls.n
        self.calls.doing = "nvmlInit"
        try:
            n.nvmlInit()
        except self.calls.errors as error:
            if self.calls.code(error) != NVML_ERROR_FUNCTION_NOT_FOUND:
                raise
            self.calls.check(n.nvmlLib.nvmlInit_v2())  # drivers before 390 have no nvmlInitWithFlags
        version = self.calls.maybe("nvmlSystemGetDriverVersion")
        cuda = self.calls.maybe("nvmlSystemGetCudaDriverVersion")
        self.driver = given(
            {
                "source": "nvml",
                "version": version,
                "cuda": "%d.%d" % (cuda // 1000, cuda % 1000 // 10) if isinstance(cuda, int) else None,
                "nvml": self.calls.maybe("nvmlSystemGetNVMLVersion"),
                "simulated": True if self.simulated else None,
            }
        )
        parts = [int(part) for part in re.findall(r"\d+", str(version))[:2]]
        if [530] <= parts < [535, 98]:
            # Their `_v3` list has longer entries than all later drivers; today's structure would misread it.
            self.apps.suffixes = ("_v2", "")
        self.calls.doing = "nvmlDeviceGetCount"
        self.cards = [NvmlDevice(index) for index in range(n.nvmlDeviceGetCount())]
        for card in self.cards:
            self.attach(card)
        self.events = NvmlEvents(self.calls, self.cards)

    def close(self) -> None:
        """Close NVML, if the driver still responds."""
        self.calls.maybe("nvmlShutdown")

    def attach(self, card: NvmlDevice) -> None:
        """Get the handle and the constant facts of a GPU."""
        try:
            handle = self.calls.call((("nvmlDeviceGetHandleByIndex",),), card.index)
            identity: Row = {
                "uuid": self.calls.text(self.calls.call((("nvmlDeviceGetUUID",),), handle)),
                "name": self.calls.text(self.calls.call((("nvmlDeviceGetName",),), handle)),
            }
            if card.fault:
                # A driver may still name a lost GPU; only a reading proves that it is back.
                self.prove(handle)
        except self.calls.errors as error:
            self.failed(card, error)
            if not card.identity:
                card.identity = self.remembered()
            return
        info = self.calls.maybe("nvmlDeviceGetPciInfo", handle)
        if info is not None:
            identity["bus"] = self.calls.text(getattr(info, "busId", ""))
        card.identity, card.handle = identity, handle
        card.fault = card.lost_at = None
        self.read_card(card, {"once", "rare"}, 0.0, None)

    def prove(self, handle: object) -> None:
        """Raise NVML's error when a lost GPU gives neither temperature nor memory."""
        try:
            self.calls.call(
                (("nvmlDeviceGetTemperature", NVML_TEMPERATURE_GPU), ("nvmlDeviceGetMemoryInfo",)), handle
            )
        except self.calls.errors as error:
            if self.calls.code(error) in GPU_LOST:
                raise

    def remembered(self) -> Row:
        """Return the kernel module's facts of a GPU that NVML cannot reach."""
        folder = rooted("/proc/driver/nvidia/gpus")
        buses = listing(folder)
        taken = {str(other.identity.get("bus", ""))[-12:].lower() for other in self.cards}
        free = [bus for bus in buses if bus.lower() not in taken]
        if self.simulated or len(free) != 1 or len(buses) != len(self.cards):
            return {}
        text = read_text("%s/%s/information" % (folder, free[0]))
        facts = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return given(
            {
                "name": facts.get("Model", "").strip() or None,
                "uuid": facts.get("GPU UUID", "").strip() or None,
                "bus": "0000" + free[0].upper(),
            }
        )

    def failed(self, card: NvmlDevice, error: BaseException) -> None:
        """Record that a whole GPU does not answer; raises DriverGone when the driver is the cause."""
        code = self.calls.code(error)
        if code in DRIVER_LOST:
            raise DriverGone(self.calls.text(error))
        # pynvml words the second differently; users search for nvidia-smi's message.
        words = {NVML_ERROR_GPU_IS_LOST: "GPU is lost", NVML_ERROR_RESET_REQUIRED: "GPU requires reset"}
        card.fail(words.get(code, self.calls.text(error)), code in words)

    def tick(self, lanes: set[str], now: float, pcie: int | None) -> None:
        """Read the lanes of all GPUs; raises DriverGone."""
        if "fast" in lanes and self.events is not None:
            self.events.hear()
        for card in self.cards:
            if card.handle is None:
                if "slow" in lanes:
                    self.attach(card)
                if card.handle is None:
                    continue
                self.read_card(card, {"fast", "warm", "slow", "apps"}, now, pcie)
            else:
                self.read_card(card, lanes, now, pcie)

    def read_card(self, card: NvmlDevice, lanes: set[str], now: float, pcie: int | None) -> None:
        """Read the lanes of one GPU."""
        for lane, fields, calls, unpack in READERS:
            if lane not in lanes or card.resting.get(fields[0], 0.0) > now:
                continue
            try:
                values = unpack(self.calls.call(calls, card.handle))
            except self.calls.errors as error:
                if self.trouble(card, fields, error, now):
                    return
                continue
            for field, value in zip(fields, values):
                card.put(field, value)
        if "fast" in lanes:
            self.read_memory(card, now)
        if "slow" in lanes:
            self.read_mig(card, now)
        if "apps" in lanes:
            self.read_apps(card, "slow" in lanes)
        if card.instances and "apps" in lanes:
            card.values["mig_instances"] = [self.instance(handle, row) for handle, row in card.instances]
        if pcie == card.index and card.handle is not None:
            self.read_pcie(card, now)
        elif "pcie_rx" in card.values:
            card.values.pop("pcie_rx", None)
            card.values.pop("pcie_tx", None)

    def trouble(self, card: NvmlDevice, fields: tuple[str, ...], error: BaseException, now: float) -> bool:
        """Record why fields have no value; return whether the whole GPU is lost."""
        code = self.calls.code(error)
        if code in (*GPU_LOST, *DRIVER_LOST):
            self.failed(card, error)
            return True
        for field in fields:
            card.values.pop(field, None)
            card.missing[field] = self.calls.text(error)
        if code in NOT_HERE:
            card.resting[fields[0]] = now + 60.0
        return False

    def read_memory(self, card: NvmlDevice, now: float) -> None:
        """Read memory by the new structure, which excludes the driver's share, as nvidia-smi does."""
        if card.handle is None or card.resting.get("memory_used", 0.0) > now:
            return
        version = getattr(self.calls.n, "nvmlMemory_v2", None)
        name = "nvmlDeviceGetMemoryInfo"
        calls = ((name, version), (name,)) if version is not None else ((name,),)
        try:
            info = self.calls.call(calls, card.handle)
        except self.calls.errors as error:
            if self.trouble(card, ("memory_used", "memory_total"), error, now):
                return
            card.unified = self.calls.code(error) == NVML_ERROR_NOT_SUPPORTED and not card.values.get("mig")
            return
        total = getattr(info, "total", 0)
        # On unified memory some drivers answer with zeros, others with Not Supported.
        card.unified = not total
        if total:
            card.put("memory_used", getattr(info, "used", None))
            card.put("memory_total", total)

    def read_pcie(self, card: NvmlDevice, now: float) -> None:
        """Read the PCIe rates of one GPU; each direction blocks the driver for 20 ms."""
        for field, counter in (("pcie_tx", NVML_PCIE_UTIL_TX_BYTES), ("pcie_rx", NVML_PCIE_UTIL_RX_BYTES)):
            try:
                answer = self.calls.call((("nvmlDeviceGetPcieThroughput", counter),), card.handle)
            except self.calls.errors as error:
                if self.trouble(card, (field,), error, now):
                    return
                continue
            card.put(field, int(str(answer)) * 1024)

    def read_mig(self, card: NvmlDevice, now: float) -> None:
        """Read whether the GPU is in MIG mode, and its slices."""
        if card.handle is None or card.resting.get("mig", 0.0) > now:
            return
        try:
            mode = self.calls.call((("nvmlDeviceGetMigMode",),), card.handle)
        except self.calls.errors as error:
            if not self.trouble(card, ("mig",), error, now):
                card.missing.pop("mig", None)  # almost no GPU supports it, so do not report that
            return
        on = bool(mode[0] if isinstance(mode, (list, tuple)) else mode)
        card.values["mig"] = on
        if not on:
            card.instances = []
            card.values.pop("mig_instances", None)
            return
        count = self.calls.maybe("nvmlDeviceGetMaxMigDeviceCount", card.handle)
        found: list[tuple[object, Row]] = []
        for place in range(count if isinstance(count, int) else 0):
            handle = self.calls.maybe("nvmlDeviceGetMigDeviceHandleByIndex", card.handle, place)
            if handle is None:
                continue
            row = given(
                {
                    "uuid": self.calls.maybe("nvmlDeviceGetUUID", handle) or "",
                    "name": self.calls.maybe("nvmlDeviceGetName", handle),
                    "gpu_instance": self.calls.maybe("nvmlDeviceGetGpuInstanceId", handle),
                    "compute_instance": self.calls.maybe("nvmlDeviceGetComputeInstanceId", handle),
                }
            )
            found.append((handle, row))
        if [row for _, row in found] != [row for _, row in card.instances]:
            card.instances = found
            card.values["mig_instances"] = [self.instance(handle, row) for handle, row in found]

    def instance(self, handle: object, row: Row) -> Row:
        """Return a slice with its memory."""
        info = self.calls.maybe("nvmlDeviceGetMemoryInfo", handle)
        memory = {field: getattr(info, field[7:], None) for field in ("memory_used", "memory_total")}
        possible: Row = {field: value for field, value in memory.items() if not impossible(field, value)}
        return dict(row, **given(possible))

    def read_apps(self, card: NvmlDevice, thorough: bool) -> None:
        """Read the processes on a GPU."""
        if card.handle is None:
            return
        card.missing.pop("processes", None)
        try:
            self.apps.read(card, thorough)
        except self.calls.errors as error:
            card.apps = []
            self.trouble(card, ("processes",), error, 0.0)
