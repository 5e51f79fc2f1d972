"""The probe: reads a box and writes one JSON object a line, for as long as somebody listens.

Runs ON the box under Python 3.8 or newer with the standard library alone; pynvml lies beside it. What the
fields mean is told in gpubox.core.sample; a value that is not given is left out, never 0.

Arguments: interval=SECONDS top=NUMBER commands=0|1 pack=0|1 env:NAME=VALUE (percent-encoded).
Commands, one a line on stdin: beat N, pcie INDEX, pcie off, interval SECONDS, quit.
Exit codes: 0 told to end, stdin closed, or 45 s without a beat; 2 wrong arguments; 6 nobody reads the output;
70 a fault in the probe, told in one line on stderr.
Environment: GPUBOX_NVML_LIB loads that library, GPUBOX_NVML_MODULE stands in for pynvml, GPUBOX_ROOT goes
before /proc/driver, /sys, /dev and the library folders (for tests).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import select
import sys
import threading
import time
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms that the first sample would come later
    from types import ModuleType
    from typing import Any, Callable, Dict, Sequence, TypeVar

    T = TypeVar("T")

    Row = Dict[str, object]
    App = Dict[str, object]

WIRE = 1
SILENCE = 45.0
"""Seconds without a beat, or without a reader, after which the probe ends: the laptop sleeps or is gone."""
HANG = 10.0
"""Seconds that a call of the driver may take; nvidia-smi on eight GPUs was seen to need 6."""
HANG_START = 30.0
"""The same for the first call, which wakes GPUs up."""
RETRY = 10.0
"""Seconds between two tries to open a driver that would not."""
DISK_WAIT = 2.0
"""Seconds without an answer for which the last size of a disk still stands."""
NAME_LIMIT = 64
COMMAND_LIMIT = 256

LOST = 15
RESET_REQUIRED = 16
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
FUNCTION_NOT_FOUND = 13
MISMATCH = 18
ARGUMENT_VERSION = 25
UNINITIALIZED = 1

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def read(path: str, limit: int = 1 << 20) -> bytes:
    """Return the beginning of a file; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, limit)
    finally:
        os.close(handle)


def read_all(path: str, limit: int = 1 << 20) -> bytes:
    """Return a whole file; of most of /proc one read gives a page at most. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while len(data) < limit:
            block = os.read(handle, limit - len(data))
            if not block:
                break
            data += block
        return data
    finally:
        os.close(handle)


def read_text(path: str, limit: int = 1 << 16) -> str:
    """Return a file as text, or nothing when it cannot be read."""
    try:
        return read_all(path, limit).decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return ""


def listing(path: str) -> list[str]:
    """Return the names in a folder, or none."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def rooted(path: str) -> str:
    """Return the path below GPUBOX_ROOT."""
    return os.environ.get("GPUBOX_ROOT", "") + path


def given(row: Row) -> Row:
    """Return the row without what is unknown."""
    return {key: value for key, value in row.items() if value is not None}


def told(error: BaseException) -> str:
    """Return an exception in one line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = " (line %d)" % trace.tb_lineno if trace is not None else ""
    return "%s: %s%s" % (type(error).__name__, str(error)[:200], place)


class Schedule:
    """Says which readings are due: each lane has its own period."""

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


LIBRARY = "libnvidia-ml.so.1"
LIBRARY_FOLDERS = (
    "/usr/lib/wsl/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/run/opengl-driver/lib",
    "/usr/local/nvidia/lib64",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib/nvidia",
    "/usr/lib64/nvidia",
    "/home/kubernetes/bin/nvidia/lib64",
    "/run/nvidia/driver/usr/lib/x86_64-linux-gnu",
)
SMI_PLACES = (
    "/usr/bin/nvidia-smi",
    "/usr/lib/wsl/lib/nvidia-smi",
    "/opt/bin/nvidia-smi",
    "/usr/local/nvidia/bin/nvidia-smi",
)
VERSION = re.compile(r"(\d{2,4}\.\d+(?:\.\d+)?)")


def kernel_version() -> str | None:
    """Return the version of the loaded kernel module, or None when none is loaded."""
    text = read_text(rooted("/proc/driver/nvidia/version")).split("\n")[0]
    found = VERSION.search(text.partition("Module")[2]) or VERSION.search(
        read_text(rooted("/sys/module/nvidia/version"))
    )
    return found.group(1) if found else None


def library_version(path: str) -> str | None:
    """Return the version in the name of the library's file, such as libnvidia-ml.so.550.54.14."""
    found = VERSION.search(os.path.basename(os.path.realpath(path)).partition(".so.")[2])
    return found.group(1) if found else None


def mapped_library() -> str:
    """Return the file of the NVML that this process has loaded, or nothing."""
    for line in read_text("/proc/self/maps", 1 << 20).splitlines():
        if "libnvidia-ml" in line:
            return line[line.index("/") :].replace(" (deleted)", "")
    return ""


def cards() -> list[str]:
    """Return the PCI addresses of NVIDIA's display and compute devices."""
    folder = rooted("/sys/bus/pci/devices")
    return [
        name
        for name in listing(folder)
        if read_text("%s/%s/vendor" % (folder, name), 16) == "0x10de"
        and read_text("%s/%s/class" % (folder, name), 16).startswith("0x03")
    ]


def nodes() -> list[str]:
    """Return the device nodes of the driver."""
    return [
        "/dev/" + name for name in listing(rooted("/dev")) if re.match(r"nvidia\d+$|nvhost-gpu$|dxg$", name)
    ]


def find_smi() -> str:
    """Return the path of nvidia-smi, or nothing."""
    places = [
        os.path.join(folder, "nvidia-smi")
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        if folder
    ]
    for place in places + [rooted(place) for place in SMI_PLACES]:
        if os.access(place, os.X_OK) and os.path.isfile(place):
            return place
    return ""


def no_answer(tried: list[str], library: str, smi: str, detail: str, code: str = "") -> Row:
    """Return the fault for a box whose GPUs cannot be read, from what lies around on it."""
    here, devices, module = cards(), nodes(), kernel_version()
    if not code:
        if not here and not devices and not module:
            code = "no-device"
        elif not module and not devices:
            code = "no-driver"
        else:
            code = "error" if library else "no-library"
    if code == "no-driver" and here:
        other = ", nouveau is loaded" if os.path.isdir(rooted("/sys/module/nouveau")) else ""
        detail = "%s (PCI %s%s)" % (detail or "No driver is loaded", ", ".join(here[:4]), other)
    looked = ["/sys/bus/pci/devices (vendor 0x10de)", "/dev/nvidia*", "/proc/driver/nvidia/version", *tried]
    return given(
        {
            "code": code,
            "detail": detail,
            "kernel_version": module,
            "library_version": library_version(library) if library else None,
            "looked": looked + (["nvidia-smi in PATH"] if not smi else [smi]),
        }
    )


def one(value: object) -> tuple[object, ...]:
    """Return a single value as it is."""
    return (value,)


def thousandth(value: float) -> tuple[object, ...]:
    """Return milliwatts as watts, millijoules as joules."""
    return (value / 1000.0,)


def flag(value: int) -> tuple[object, ...]:
    """Return NVML's 0 and 1 as a truth."""
    return (bool(value),)


OWN = {"field": "nvmlDeviceGetFieldValues", "retired": "nvmlDeviceGetRetiredPages"}
"""Calls that need a little work before their answer is one value."""
COMPUTE_MODES = {0: "Default", 1: "Exclusive Thread", 2: "Prohibited", 3: "Exclusive Process"}

# lane, fields, calls in order of preference, what makes values of an answer.
READERS: tuple[
    tuple[str, tuple[str, ...], tuple[tuple[object, ...], ...], Callable[[Any], tuple[object, ...]]], ...
] = (
    ("fast", ("util", "memory_util"), (("nvmlDeviceGetUtilizationRates",),), lambda r: (r.gpu, r.memory)),
    ("fast", ("power",), (("nvmlDeviceGetPowerUsage",),), thousandth),
    ("fast", ("clock_sm",), (("nvmlDeviceGetClockInfo", 1),), one),
    ("fast", ("clock_memory",), (("nvmlDeviceGetClockInfo", 2),), one),
    ("warm", ("temperature",), (("nvmlDeviceGetTemperature", 0), ("nvmlDeviceGetTemperatureV", 0)), one),
    ("warm", ("fan",), (("nvmlDeviceGetFanSpeed",),), one),
    ("warm", ("pstate",), (("nvmlDeviceGetPerformanceState",),), lambda r: (r if 0 <= r <= 15 else None,)),
    (
        "warm",
        ("throttle",),
        (("nvmlDeviceGetCurrentClocksEventReasons",), ("nvmlDeviceGetCurrentClocksThrottleReasons",)),
        one,
    ),
    ("warm", ("encoder",), (("nvmlDeviceGetEncoderUtilization",),), lambda r: (r[0],)),
    ("warm", ("decoder",), (("nvmlDeviceGetDecoderUtilization",),), lambda r: (r[0],)),
    ("slow", ("temperature_memory",), (("field", 82),), lambda r: (r or None,)),
    (
        "slow",
        ("power_limit",),
        (("nvmlDeviceGetEnforcedPowerLimit",), ("nvmlDeviceGetPowerManagementLimit",)),
        thousandth,
    ),
    ("slow", ("energy",), (("nvmlDeviceGetTotalEnergyConsumption",),), thousandth),
    ("slow", ("pcie_gen",), (("nvmlDeviceGetCurrPcieLinkGeneration",),), one),
    ("slow", ("pcie_width",), (("nvmlDeviceGetCurrPcieLinkWidth",),), one),
    ("slow", ("ecc_corrected",), (("nvmlDeviceGetTotalEccErrors", 0, 0),), one),
    ("slow", ("ecc_uncorrected",), (("nvmlDeviceGetTotalEccErrors", 1, 0),), one),
    (
        "slow",
        ("remapped_rows",),
        (("nvmlDeviceGetRemappedRows",),),
        lambda r: (
            {"correctable": r[0], "uncorrectable": r[1], "pending": bool(r[2]), "failed": bool(r[3])},
        ),
    ),
    ("slow", ("persistence",), (("nvmlDeviceGetPersistenceMode",),), flag),
    ("slow", ("compute_mode",), (("nvmlDeviceGetComputeMode",),), lambda r: (COMPUTE_MODES.get(r, str(r)),)),
    ("slow", ("display_active",), (("nvmlDeviceGetDisplayActive",),), flag),
    ("once", ("pcie_gen_max",), (("nvmlDeviceGetMaxPcieLinkGeneration",),), one),
    ("once", ("pcie_width_max",), (("nvmlDeviceGetMaxPcieLinkWidth",),), one),
    ("once", ("clock_sm_max",), (("nvmlDeviceGetMaxClockInfo", 1),), one),
    ("once", ("clock_memory_max",), (("nvmlDeviceGetMaxClockInfo", 2),), one),
    ("once", ("temperature_shutdown",), (("nvmlDeviceGetTemperatureThreshold", 0),), one),
    ("once", ("temperature_slowdown",), (("nvmlDeviceGetTemperatureThreshold", 1),), one),
    ("rare", ("retired_pages",), (("retired",),), one),
)


POSSIBLE: dict[str, tuple[float, float]] = {
    "util": (0, 100),
    "memory_util": (0, 100),
    "encoder": (0, 100),
    "decoder": (0, 100),
    "fan": (0, 200),
    "power": (0, 20_000),
    "power_limit": (0, 20_000),
    "temperature": (-60, 250),
    "temperature_memory": (1, 250),
    "temperature_slowdown": (1, 250),
    "temperature_shutdown": (1, 250),
    "clock_sm": (0, 50_000),
    "clock_sm_max": (0, 50_000),
    "clock_memory": (0, 50_000),
    "clock_memory_max": (0, 50_000),
    "pstate": (0, 15),
    "pcie_gen": (0, 32),
    "pcie_gen_max": (0, 32),
    "pcie_width": (0, 64),
    "pcie_width_max": (0, 64),
    "pcie_rx": (0, 1 << 42),
    "pcie_tx": (0, 1 << 42),
    "memory_used": (0, 1 << 50),
    "memory_total": (0, 1 << 50),
    "gpu_memory": (0, 1 << 50),
    "energy": (0, 1e15),
    "throttle": (0, (1 << 63) - 1),
    "ecc_corrected": (0, (1 << 63) - 1),
    "ecc_uncorrected": (0, (1 << 63) - 1),
}
"""Least and most that a reading can be: drivers answer -1 as 4294967295; a fan may run over 100 percent."""


def impossible(field: str, value: object) -> str:
    """Return why a reading is none, or nothing when it can be one."""
    bounds = POSSIBLE.get(field)
    if bounds is None or not isinstance(value, (int, float)) or bounds[0] <= value <= bounds[1]:
        return ""
    return "Impossible reading: %s" % str(value)[:24]


class DriverGone(Exception):
    """The driver went away under us; NVML must be opened anew."""


class Card:
    """What is known of one GPU."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.handle: object = None
        self.identity: Row = {}
        self.values: Row = {}
        self.missing: dict[str, str] = {}
        self.resting: dict[str, float] = {}
        """Readers that this GPU does not have, and when to ask again: MIG and ECC can be switched."""
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
        """Take the readings away and keep the row."""
        self.fault = words
        if lost and self.lost_at is None:
            self.lost_at = round(time.time(), 3)
        self.handle = None
        self.values, self.missing, self.resting, self.apps, self.mps = {}, {}, {}, [], []
        self.unified = False

    def put(self, field: str, value: object) -> None:
        """Note a reading, or why there is none."""
        why = "Not given" if value is None else impossible(field, value)
        if why:
            self.values.pop(field, None)
            self.missing[field] = why
        else:
            self.values[field] = value
            self.missing.pop(field, None)

    def row(self, simulated: bool) -> Row:
        """Return the GPU as it goes over the wire."""
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


def address(handle: Any) -> int | None:
    """Return what a handle of NVML points to; pynvml makes a new object for each."""
    return ctypes.cast(handle, ctypes.c_void_p).value


class OldProcess(ctypes.Structure):
    """An entry of the process list of drivers before 450."""

    _fields_ = [("pid", ctypes.c_uint), ("usedGpuMemory", ctypes.c_ulonglong)]


class NvmlCalls:
    """Asks NVML: by the first name that this driver knows, and with its errors told apart."""

    def __init__(self, module: ModuleType) -> None:
        self.n = module
        self.errors: tuple[type[Exception], ...] = tuple(
            kind
            for kind in (
                getattr(module, "NVMLError", None),
                getattr(module, "NVMLLibraryMismatchError", None),
            )
            if isinstance(kind, type) and issubclass(kind, Exception)
        )
        self.doing = ""
        """The call that runs now; a hang is told by it."""
        self.chosen: dict[tuple[tuple[object, ...], ...], int] = {}

    def text(self, value: object) -> str:
        """Return NVML's text; old modules give bytes."""
        return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value))[:NAME_LIMIT]

    def code(self, error: BaseException) -> int:
        """Return NVML's number of an error."""
        value = getattr(error, "value", None)
        # pynvml's own "this driver is too old for the structure" has no number.
        return value if isinstance(value, int) else FUNCTION_NOT_FOUND

    def check(self, code: int) -> None:
        """Raise NVML's error for a return code that is none."""
        if code:
            raise self.errors[0](code)

    def call(self, calls: tuple[tuple[object, ...], ...], handle: object) -> object:
        """Return the answer of the first call that this driver knows; raises NVML's errors."""
        last: BaseException | None = None
        for place in range(self.chosen.get(calls, 0), len(calls)):
            name = str(calls[place][0])
            self.doing = name
            function = getattr(self.n, OWN.get(name, name), None)
            if function is None:
                continue
            try:
                if name == "field":
                    answer = self.field(handle, calls[place][1])
                elif name == "retired":
                    answer = sum(len(function(handle, cause)) for cause in (0, 1))
                else:
                    answer = function(handle, *calls[place][1:])
            except self.errors as error:
                if self.code(error) not in (FUNCTION_NOT_FOUND, ARGUMENT_VERSION):
                    raise
                last = error
                continue
            self.chosen[calls] = place
            return answer
        raise last if last is not None else self.errors[0](FUNCTION_NOT_FOUND)

    def maybe(self, name: str, *arguments: object) -> object:
        """Return the answer of one call, or None."""
        function = getattr(self.n, name, None)
        if function is None:
            return None
        self.doing = name
        try:
            answer = function(*arguments)
        except self.errors:
            return None
        return self.text(answer) if isinstance(answer, (str, bytes)) else answer

    def field(self, handle: object, number: object) -> object:
        """Return one of NVML's numbered field values."""
        value = self.n.nvmlDeviceGetFieldValues(handle, [number])[0]
        self.check(value.nvmlReturn)
        kind = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal")
        return getattr(value.value, kind[value.valueType if value.valueType < len(kind) else 1])


class Apps:
    """Reads who is on a GPU."""

    def __init__(self, calls: NvmlCalls) -> None:
        self.calls = calls
        self.suffixes: tuple[str, ...] = ("_v3", "_v2", "")
        """Versions of the process list, newest first."""

    def read(self, card: Card, thorough: bool) -> None:
        """Read one row per process, with its kinds together; raises NVML's errors."""
        found = [("C", entry) for entry in self.listed(card, "Compute")]
        found += [("G", entry) for entry in self.listed(card, "Graphics")]
        if thorough:  # hardly any box runs MPS, and each list costs a driver lock of milliseconds
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

    def listed(self, card: Card, kind: str) -> list[tuple[int, object, object]]:
        """Return pid, memory and slice of a GPU's processes of one kind; raises NVML's errors."""
        try:
            return self.listed_on(card.handle, kind)
        except self.calls.errors as error:
            code = self.calls.code(error)
            if code == NO_PERMISSION and card.instances:
                # Only root may ask the whole of a GPU in slices; each slice may be asked by its user.
                rows: list[tuple[int, object, object]] = []
                for handle, row in card.instances:
                    entries = self.listed_on(handle, kind)
                    rows += [(pid, memory, row.get("gpu_instance")) for pid, memory, _ in entries]
                return rows
            if code in (NOT_SUPPORTED, FUNCTION_NOT_FOUND):
                if kind == "Compute":
                    card.missing["processes"] = self.calls.text(error)
                return []
            raise

    def listed_on(self, handle: object, kind: str) -> list[tuple[int, object, object]]:
        """Return a list of processes by the newest structure that the driver knows."""
        name = "nvmlDeviceGet%sRunningProcesses" % kind
        calls = (*tuple((name + suffix,) for suffix in self.suffixes if suffix), (name,))
        if self.suffixes[-1] == "" and self.calls.chosen.get(calls) is None and self.old(name):
            return self.listed_old(handle, name)
        entries = self.calls.call(calls, handle)
        rows: list[tuple[int, object, object]] = []
        for entry in entries if isinstance(entries, list) else []:
            part = getattr(entry, "gpuInstanceId", None)
            none = part is None or part >= 0xFFFFFFFF
            rows.append((entry.pid, getattr(entry, "usedGpuMemory", None), None if none else part))
        return rows

    def old(self, name: str) -> bool:
        """Return whether the library has only the first process list (drivers before 450)."""
        library = getattr(self.calls.n, "nvmlLib", None)
        if library is None:
            return False
        return not hasattr(library, name + "_v2") and hasattr(library, name)

    def listed_old(self, handle: object, name: str) -> list[tuple[int, object, object]]:
        """Return a list of processes as drivers before 450 give it."""
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

    def busy(self, card: Card) -> dict[int, float]:
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
            if code in (LOST, RESET_REQUIRED, UNINITIALIZED, DRIVER_NOT_LOADED):
                raise
            if code not in (0, NOT_FOUND):  # 0: pynvml raises "SUCCESS" when there are no samples
                card.resting["busy"] = time.monotonic() + 60.0
            return {}
        newest: dict[int, tuple[int, int]] = {}
        for entry in entries:
            newest[entry.pid] = max(newest.get(entry.pid, (0, 0)), (entry.timeStamp, entry.smUtil))
            card.seen = max(card.seen, entry.timeStamp)
        return {pid: share for pid, (_, share) in newest.items() if share <= 100}


class Events:
    """Hears of the driver's critical errors (Xid), where it tells them."""

    def __init__(self, calls: NvmlCalls, cards: list[Card]) -> None:
        self.calls = calls
        self.cards = cards
        self.set: object = calls.maybe("nvmlEventSetCreate")
        for card in cards:
            if card.handle is not None and self.set is not None:
                calls.maybe("nvmlDeviceRegisterEvents", card.handle, 8, self.set)

    def hear(self) -> None:
        """Take what errors came since the last tick; never waits."""
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
        self.cards: list[Card] = []
        self.events: Events | None = None
        self.driver: Row = {}

    def open(self) -> None:
        """Initialize and find the GPUs; raises NVML's errors."""
        n = self.calls.n
        self.calls.doing = "nvmlInit"
        try:
            n.nvmlInit()
        except self.calls.errors as error:
            if self.calls.code(error) != FUNCTION_NOT_FOUND:
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
            # Their `_v3` list has a longer entry than every later one; read with today's it gives nonsense.
            self.apps.suffixes = ("_v2", "")
        self.calls.doing = "nvmlDeviceGetCount"
        self.cards = [Card(index) for index in range(n.nvmlDeviceGetCount())]
        for card in self.cards:
            self.attach(card)
        self.events = Events(self.calls, self.cards)

    def close(self) -> None:
        """Let go of the driver, as far as it still listens."""
        self.calls.maybe("nvmlShutdown")

    def attach(self, card: Card) -> None:
        """Get hold of a GPU and of what never changes about it."""
        try:
            handle = self.calls.call((("nvmlDeviceGetHandleByIndex",),), card.index)
            identity: Row = {
                "uuid": self.calls.text(self.calls.call((("nvmlDeviceGetUUID",),), handle)),
                "name": self.calls.text(self.calls.call((("nvmlDeviceGetName",),), handle)),
            }
            if card.fault:
                # A driver may tell names of a GPU that is long gone; only a reading proves that it is back.
                self.prove(handle)
        except self.calls.errors as error:
            self.failed(card, error)
            if not card.identity:
                card.identity = self.remembered(card)
            return
        info = self.calls.maybe("nvmlDeviceGetPciInfo", handle)
        if info is not None:
            identity["bus"] = self.calls.text(getattr(info, "busId", ""))
        card.identity, card.handle = identity, handle
        card.fault = card.lost_at = None
        self.read_card(card, {"once", "rare"}, 0.0, None)

    def prove(self, handle: object) -> None:
        """Raise NVML's error when the GPU gives neither temperature nor memory for being lost."""
        try:
            self.calls.call((("nvmlDeviceGetTemperature", 0), ("nvmlDeviceGetMemoryInfo",)), handle)
        except self.calls.errors as error:
            if self.calls.code(error) in (LOST, RESET_REQUIRED):
                raise

    def remembered(self, card: Card) -> Row:
        """Return what the kernel module still tells of a GPU that NVML cannot reach."""
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

    def failed(self, card: Card, error: BaseException) -> None:
        """Note that a whole GPU does not answer; raises Gone when it is the driver."""
        code = self.calls.code(error)
        if code in (UNINITIALIZED, DRIVER_NOT_LOADED):
            raise DriverGone(self.calls.text(error))
        # pynvml has words of its own for the second; nvidia-smi's are the ones that people search for.
        words = {LOST: "GPU is lost", RESET_REQUIRED: "GPU requires reset"}
        card.fail(words.get(code, self.calls.text(error)), code in words)

    def tick(self, lanes: set[str], now: float, pcie: int | None) -> None:
        """Read the lanes of all GPUs; raises Gone."""
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

    def read_card(self, card: Card, lanes: set[str], now: float, pcie: int | None) -> None:
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

    def trouble(self, card: Card, fields: tuple[str, ...], error: BaseException, now: float) -> bool:
        """Note why fields have no value; return whether the whole GPU is lost."""
        code = self.calls.code(error)
        if code in (LOST, RESET_REQUIRED, UNINITIALIZED, DRIVER_NOT_LOADED):
            self.failed(card, error)
            return True
        for field in fields:
            card.values.pop(field, None)
            card.missing[field] = self.calls.text(error)
        if code in (NOT_SUPPORTED, FUNCTION_NOT_FOUND, ARGUMENT_VERSION, NO_PERMISSION):
            card.resting[fields[0]] = now + 60.0
        return False

    def read_memory(self, card: Card, now: float) -> None:
        """Read memory by its new structure, which leaves the driver's own share out as nvidia-smi does."""
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
            card.unified = self.calls.code(error) == NOT_SUPPORTED and not card.values.get("mig")
            return
        total = getattr(info, "total", 0)
        # Some drivers of unified parts answer with zeros where others say Not Supported.
        card.unified = not total
        if total:
            card.put("memory_used", getattr(info, "used", None))
            card.put("memory_total", total)

    def read_pcie(self, card: Card, now: float) -> None:
        """Read the rates of one GPU's link; each direction keeps the driver for 20 ms."""
        for field, counter in (("pcie_tx", 0), ("pcie_rx", 1)):
            try:
                answer = self.calls.call((("nvmlDeviceGetPcieThroughput", counter),), card.handle)
            except self.calls.errors as error:
                if self.trouble(card, (field,), error, now):
                    return
                continue
            card.put(field, int(str(answer)) * 1024)

    def read_mig(self, card: Card, now: float) -> None:
        """Read whether the GPU is cut into slices, and which."""
        if card.handle is None or card.resting.get("mig", 0.0) > now:
            return
        try:
            mode = self.calls.call((("nvmlDeviceGetMigMode",),), card.handle)
        except self.calls.errors as error:
            if not self.trouble(card, ("mig",), error, now):
                card.missing.pop("mig", None)  # almost no GPU can; that is no news
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

    def read_apps(self, card: Card, thorough: bool) -> None:
        """Read who is on a GPU."""
        if card.handle is None:
            return
        card.missing.pop("processes", None)
        try:
            self.apps.read(card, thorough)
        except self.calls.errors as error:
            card.apps = []
            self.trouble(card, ("processes",), error, 0.0)


# What nvidia-smi is asked, the field it fills, and what its text means. Names that old versions lack come
# last: when the whole question is refused, the first BASIC columns are asked alone.
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
"""Parts whose memory is the machine's own; nvidia-smi says only N/A for it."""

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
    """Return the code of what nvidia-smi complains about, or `error`."""
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

    A line counts only with exactly the columns that were asked for and a whole number as its index.
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
                driver = cell if VERSION.match(cell) else driver
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
    """Return what lines beside the table say of single GPUs, by their short bus id, and the lines of no GPU.

    `Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system ...`, and
    `WARNING: infoROM is corrupted at gpu 0000:3B:00.0`.
    """
    troubles: dict[str, str] = {}
    rest: list[str] = []
    for line in others:
        bus = SMI_BUS.search(line)
        if bus is None or re.match(r"\d+\s*,", line):  # a row of another table than was asked for
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
    """Return the rows of nvidia-smi with what is said of single GPUs, those that have no row included."""
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


class ProgramTimeout(Exception):
    """A program gave no answer in its time."""


class Smi:
    """Reads the GPUs through nvidia-smi, where NVML cannot be loaded."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.columns = SMI_COLUMNS
        self.known: dict[str, Row] = {}
        self.lost: dict[str, float] = {}
        self.rows: list[Row] = []
        self.apps: list[App] = []
        self.faults: list[Row] = []
        self.version = ""
        self.next = 0.0
        self.doing = ""
        self.stuck: object = None
        self.first = True

    def tick(self, now: float) -> None:
        """Ask nvidia-smi if it is time; a slow one is asked less often, a hung one not until it is gone."""
        if now < self.next:
            return
        begin = time.monotonic()
        try:
            self.ask()
            self.next = begin + max(1.9, 10 * (time.monotonic() - begin))
        except ProgramTimeout as error:
            self.next = time.monotonic() + RETRY
            self.apps = []
            self.rows = [dict(row, fault="nvidia-smi does not answer") for row in self.known.values()]
            self.faults = [{"code": "hang", "detail": str(error), "looked": [self.path]}]
        except OSError as error:
            self.next = time.monotonic() + RETRY
            code = "permission" if error.errno == errno.EACCES else "error"
            self.faults = [
                {"code": code, "detail": "%s: %s" % (self.path, error.strerror), "looked": [self.path]}
            ]
        self.first = False

    def ask(self) -> None:
        """Run both queries; raises Hang and OSError."""
        query = ",".join(column[0] for column in self.columns)
        status, text = self.run("--query-gpu=" + query, "--format=csv,noheader,nounits")
        if len(self.columns) > BASIC and ("not a valid field" in text or (status == 2 and "," not in text)):
            self.columns = SMI_COLUMNS[:BASIC]
            query = ",".join(column[0] for column in self.columns)
            status, text = self.run("--query-gpu=" + query, "--format=csv,noheader,nounits")
        rows, others, version = smi_gpus(text, self.columns)
        troubles, rest = smi_troubles(others)
        if troubles and not rows:
            # One GPU that it cannot open ends the whole table; the others are asked for by name.
            named = [str(row.get("bus", "")) for row in self.known.values()]
            named = named or listing(rooted("/proc/driver/nvidia/gpus"))
            well = [bus for bus in named if bus and short_bus(bus) not in troubles]
            if well:
                chosen = "--id=" + ",".join(well)
                status, text = self.run(chosen, "--query-gpu=" + query, "--format=csv,noheader,nounits")
                rows, others, version = smi_gpus(text, self.columns)
                rest += others
        self.version = version or self.version
        self.faults = []
        if rest or not (rows or troubles):
            self.faults = [self.complaint(" / ".join(rest[:3]), status)]
        self.remember(smi_blamed(rows, troubles, list(self.known.values())), rest)
        index = {str(row["uuid"]): row["index"] for row in self.rows if "uuid" in row}
        status, text = self.run("--query-compute-apps=" + SMI_APPS, "--format=csv,noheader,nounits")
        self.apps = smi_apps(text, index)

    def complaint(self, words: str, status: int) -> Row:
        """Return what nvidia-smi said instead of a table as a fault."""
        code = smi_fault(words)
        if code == "mismatch":
            library = VERSION.search(words.partition("NVML library version")[2])
            return given(
                {
                    "code": code,
                    "detail": words,
                    "kernel_version": kernel_version(),
                    "library_version": library.group(1) if library else None,
                    "looked": [self.path],
                }
            )
        if code == "no-library":
            return no_answer([self.path], "", self.path, words, code)
        return {
            "code": code,
            "detail": words or "nvidia-smi ended with %d and no word" % status,
            "looked": [self.path],
        }

    def remember(self, rows: list[Row], others: list[str]) -> None:
        """Keep the rows of GPUs that were there and are gone."""
        seen = set()
        for row in rows:
            uuid = str(row.get("uuid", row["index"]))
            seen.add(uuid)
            self.known[uuid] = {key: row[key] for key in ("index", "uuid", "name", "bus") if key in row}
            if "fault" in row and LOST_WORDS.search(str(row["fault"])):
                row["lost_at"] = self.lost.setdefault(uuid, round(time.time(), 3))
            else:
                self.lost.pop(uuid, None)
        gone = next((LOST_WORDS.search(line) for line in others if LOST_WORDS.search(line)), None)
        for uuid, identity in self.known.items():
            if uuid not in seen:
                words = gone.group(0) if gone else "nvidia-smi no longer lists it"
                at = self.lost.setdefault(uuid, round(time.time(), 3))
                rows.append(dict(identity, fault=words, lost_at=at))
        self.rows = sorted(rows, key=lambda row: int(str(row["index"])))

    def run(self, *arguments: str) -> tuple[int, str]:
        """Return exit status and output of nvidia-smi; raises Hang and OSError.

        Its output is read by hand: a broken one that prints without end must not fill the memory.
        """
        import subprocess

        if isinstance(self.stuck, subprocess.Popen) and self.stuck.poll() is None:
            raise ProgramTimeout("nvidia-smi still hangs; even killing it does not end it")
        self.stuck = None
        self.doing = "nvidia-smi"
        limit = HANG_START if self.first else HANG
        process = subprocess.Popen(
            [self.path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(os.environ, LC_ALL="C"),
        )
        pipe = process.stdout
        assert pipe is not None
        end = time.monotonic() + limit
        data = b""
        try:
            while len(data) < 1 << 20:
                ready = select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]
                if not ready:
                    raise ProgramTimeout("nvidia-smi gave no answer for %d seconds" % limit)
                block = os.read(pipe.fileno(), 65536)
                if not block:
                    break
                data += block
            else:
                process.kill()
        finally:
            pipe.close()
            self.reap(process)
        return process.returncode or 0, data.decode("utf-8", "replace")

    def reap(self, process: object) -> None:
        """End nvidia-smi and what it started; one that cannot be killed is left alone and remembered."""
        import signal
        import subprocess

        if not isinstance(process, subprocess.Popen):
            return
        try:
            process.wait(0.5)
            return
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.stuck = process


class Gpus:
    """Reads the GPUs in a thread of its own: a driver that hangs must not take the host's readings along."""

    def __init__(self) -> None:
        self.nvml: Nvml | None = None
        self.smi: Smi | None = None
        self.module: ModuleType | None = None
        self.rows: list[Row] = []
        self.apps: list[App] = []
        self.driver: Row = {}
        self.faults: list[Row] = []
        self.pending: set[str] = set()
        self.pcie: int | None = None
        self.retry_at = 0.0
        self.since: float | None = None
        self.opened = False
        self.cost = 0.0
        """Seconds that the last list of processes took."""
        self.wake = threading.Event()
        self.done = threading.Event()
        threading.Thread(target=self.run, name="gpus", daemon=True).start()

    def ask(self, lanes: set[str], pcie: int | None) -> bool:
        """Begin a reading and return True; while one is under way the lanes are kept for the next."""
        self.pending |= lanes
        self.pcie = pcie
        if self.since is None:
            self.done.clear()
            self.since = time.monotonic()
            self.wake.set()
            return True
        return False

    def result(self, patience: float) -> tuple[list[Row], list[App], Row, list[Row]]:
        """Wait a while for the reading, and return rows, processes, driver and faults as they are then."""
        self.done.wait(patience)
        since = self.since
        waited = time.monotonic() - since if since is not None else 0.0
        if waited <= (HANG if self.opened else HANG_START) + 1.5:
            return self.rows, self.apps, self.driver, self.faults
        source = self.nvml.calls if self.nvml else self.smi
        words = "%s has not answered for %d seconds" % (source.doing if source else "The driver", waited)
        keep = ("index", "uuid", "name", "bus", "simulated")
        rows = [{key: row[key] for key in keep if key in row} for row in self.rows]
        rows = [dict(row, fault="The driver does not answer") for row in rows]
        return rows, [], self.driver, [{"code": "hang", "detail": words}]

    def run(self) -> None:
        """Read whenever asked, for ever."""
        while True:
            self.wake.wait()
            self.wake.clear()
            lanes, self.pending = self.pending, set()
            try:
                self.tick(lanes, time.monotonic())
            except Exception as error:  # the border of the lane: what we did not foresee is told, not fatal
                self.faults = [{"code": "error", "detail": "Reading the GPUs: " + told(error)}]
            self.since = None
            self.done.set()

    def tick(self, lanes: set[str], now: float) -> None:
        """Open what can be opened, and read it."""
        if self.nvml is None and now >= self.retry_at and not (self.smi and self.smi.rows):
            self.retry_at = now + RETRY
            self.open()
            self.opened = True
        if self.nvml is not None:
            begin = time.monotonic()
            try:
                self.nvml.tick(lanes, now, self.pcie)
            except DriverGone as error:
                self.nvml.close()
                self.nvml, self.rows, self.apps = None, [], []
                self.driver = given({"source": "none", "version": kernel_version()})
                self.faults = [no_answer([LIBRARY], mapped_library(), "", str(error))]
                return
            if "apps" in lanes:
                self.cost = time.monotonic() - begin
            self.rows = [card.row(self.nvml.simulated) for card in self.nvml.cards]
            if "apps" in lanes:  # a new list tells the probe that there is something new in it
                self.apps = [app for card in self.nvml.cards for app in card.apps]
        elif self.smi is not None:
            self.smi.tick(now)
            self.rows, self.apps, self.faults = self.smi.rows, self.smi.apps, self.smi.faults
            source = "nvidia-smi" if self.smi.rows else "none"
            self.driver = given({"source": source, "version": self.smi.version or kernel_version()})

    def open(self) -> None:
        """Try NVML, then nvidia-smi; what went wrong is in `faults`."""
        self.smi = self.smi if self.smi and self.smi.stuck else None
        tried: list[str] = []
        detail = ""
        module, path = self.stand_in(), ""
        if module is None:
            library, path, detail = load_library(tried)
            if library is None:
                smi = find_smi()
                if smi and self.smi is None:
                    self.smi = Smi(smi)
                if not smi:
                    self.driver = given({"source": "none", "version": kernel_version()})
                    self.faults = [no_answer(tried, "", "", detail)]
                return
            module = self.pynvml(library)
        nvml = Nvml(module, path)
        self.nvml = nvml  # so that a hang inside can name the call
        try:
            nvml.open()
        except nvml.calls.errors as error:
            self.nvml = None
            self.driver = given({"source": "none", "version": kernel_version()})
            self.faults = [self.refusal(nvml, error, tried)]
            return
        except DriverGone as error:
            self.nvml = None
            self.faults = [no_answer(tried, path, "", str(error))]
            return
        self.driver = nvml.driver
        self.faults = []
        if not nvml.cards:
            self.faults = [no_answer(tried, path, "", "The driver runs and sees no GPU", "no-device")]
            self.nvml = None
            nvml.close()

    def refusal(self, nvml: Nvml, error: BaseException, tried: list[str]) -> Row:
        """Return the fault for an NVML that would not open."""
        code = nvml.calls.code(error)
        words = nvml.calls.text(error)
        if code == MISMATCH:
            fault = no_answer(tried, mapped_library(), "", words, "mismatch")
            if "library_version" not in fault:
                fault.update(given({"library_version": self.disk_version()}))
            return fault
        if code == NO_PERMISSION:
            return no_answer(tried, nvml.path, "", words, "permission")
        if code == DRIVER_NOT_LOADED:
            nothing = not cards() and not nodes() and not kernel_version()
            return no_answer(tried, nvml.path, "", words, "no-device" if nothing else "no-driver")
        return no_answer(tried, nvml.path, "", "%s (NVML %d)" % (words, code), "error")

    def disk_version(self) -> str | None:
        """Return the version of the module on disk, which came with the library."""
        import subprocess

        try:
            done = subprocess.run(
                ["modinfo", "-F", "version", "nvidia"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=5,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = VERSION.search(done.stdout.decode("utf-8", "replace"))
        return found.group(1) if found else None

    def stand_in(self) -> ModuleType | None:
        """Return the module that GPUBOX_NVML_MODULE names, if any."""
        path = os.environ.get("GPUBOX_NVML_MODULE", "")
        if not path:
            return None
        if self.module is None:
            module = type(sys)("pynvml")
            module.__file__ = path
            with open(path, encoding="utf-8") as file:
                source = file.read()
            sys.modules["pynvml"] = module  # dataclasses and pickling look a class's module up
            exec(compile(source, path, "exec"), module.__dict__)
            self.module = module
        return self.module

    def pynvml(self, library: ctypes.CDLL) -> ModuleType:
        """Return pynvml, bound to this library."""
        module = self.module
        if module is None:
            module = __import__("pynvml")
            self.module = module
        if getattr(module, "nvmlLib", None) is not library:
            module.__dict__["nvmlLib"] = library
            getattr(module, "_nvmlGetFunctionPointer_cache", {}).clear()
        return module


def load_library(tried: list[str]) -> tuple[ctypes.CDLL | None, str, str]:
    """Return NVML's library, its path, and why none could be loaded; notes each try.

    The file is loaded by its full path: a library that was exchanged under a running probe has the same
    name, and the loader would hand out the old one again.
    """
    own = os.environ.get("GPUBOX_NVML_LIB", "")
    before = mapped_library()
    if own:
        places = [own]
    else:
        places = [os.path.join(rooted(folder), LIBRARY) for folder in LIBRARY_FOLDERS]
        if before:
            places.insert(0, os.path.join(os.path.dirname(before), LIBRARY))
        elif not os.environ.get("GPUBOX_ROOT"):
            places.insert(0, LIBRARY)
    detail = ""
    for place in places:
        tried.append(place)
        if "/" in place and not os.path.exists(place):
            continue
        try:
            library = ctypes.CDLL(os.path.realpath(place) if "/" in place else place)
        except OSError as error:
            if "/" in place or "No such file" not in str(error):
                detail = str(error)[:COMMAND_LIMIT]
            continue
        return library, os.path.realpath(place) if "/" in place else mapped_library(), ""
    return None, "", detail


def cpu_times(text: str) -> dict[str, tuple[int, int]]:
    """Return idle and whole time of the CPU and of each core, in ticks, from /proc/stat."""
    times: dict[str, tuple[int, int]] = {}
    for line in text.split("\n"):
        if not line.startswith("cpu"):
            break
        words = line.split()
        # user nice system idle iowait irq softirq steal; guest time is in user already
        ticks = [int(word) for word in words[1:9]]
        if len(ticks) >= 4:
            times[words[0]] = (ticks[3] + (ticks[4] if len(ticks) > 4 else 0), sum(ticks))
    return times


def cpu_share(old: tuple[int, int] | None, new: tuple[int, int]) -> float | None:
    """Return how busy a core was between two readings, in percent."""
    if old is None or new[1] <= old[1]:
        return None
    idle = max(0, new[0] - old[0])  # iowait may run backwards
    return round(min(100.0, max(0.0, 100.0 * (1.0 - idle / (new[1] - old[1])))), 1)


def memory_facts(text: str, arc: str = "") -> Row:
    """Return memory and swap from /proc/meminfo; what ZFS's cache would give back is available too.

    `arc` is /proc/spl/kstat/zfs/arcstats: the cache shrinks down to `c_min` when programs want memory, and
    the kernel does not count it as available.
    """
    facts: dict[str, int] = {}
    for line in text.split("\n"):
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdigit():
            facts[name] = int(words[0]) * 1024
    available = facts.get("MemAvailable")
    if available is None and "MemFree" in facts:  # kernels before 3.14
        available = facts["MemFree"] + facts.get("Buffers", 0) + facts.get("Cached", 0)
    if arc and available is not None:
        sizes = dict(re.findall(r"^(size|c_min)\s+\d+\s+(\d+)$", arc, re.M))
        available += max(0, int(sizes.get("size", 0)) - int(sizes.get("c_min", 0)))
        available = min(available, facts.get("MemTotal", available))
    swap = facts.get("SwapTotal")
    return given(
        {
            "memory_total": facts.get("MemTotal"),
            "memory_available": available,
            "swap_total": swap,
            "swap_used": None if swap is None else swap - facts.get("SwapFree", swap),
        }
    )


def net_bytes(text: str, chosen: Callable[[str], bool]) -> tuple[int, int]:
    """Return bytes received and sent by the chosen interfaces, from /proc/net/dev."""
    received = sent = 0
    for line in text.split("\n")[2:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) >= 9 and chosen(name.strip()):
            received += int(words[0])
            sent += int(words[8])
    return received, sent


def disk_bytes(text: str, chosen: Callable[[str], bool]) -> tuple[int, int]:
    """Return bytes read from and written to the chosen disks, from /proc/diskstats."""
    loaded = stored = 0
    for line in text.split("\n"):
        words = line.split()
        if len(words) >= 10 and chosen(words[2]):
            loaded += int(words[5]) * 512
            stored += int(words[9]) * 512
    return loaded, stored


NETWORK = re.compile(
    r"(?:nfs4?|lustre|beegfs\w*|virtiofs|cifs|smb3|ceph|gpfs|glusterfs|panfs|wekafs|pvfs2|fuse\.(?:sshfs|glusterfs"
    r"|ceph\S*|juicefs|s3fs|rclone|gcsfuse|mount-s3|blobfuse2?|mfs|lizardfs|quobyte\S*|cvmfs2?))$"
)
"""Kinds of file systems that lie on another machine."""


def mounts(text: str) -> list[tuple[str, str, str, bool]]:
    """Return device, mount point, kind and read-only of real disks, then of those of the network.

    `text` is /proc/self/mounts, in which bytes that are not UTF-8 are surrogates. A device is there once.
    """
    best: dict[str, tuple[str, str, str, bool]] = {}
    for line in text.split("\n"):
        words = line.split(" ")
        if len(words) < 4:
            continue
        device, mount, kind, options = (octal(word) for word in words[:4])
        local = device.startswith("/dev/") and not device.startswith(("/dev/loop", "/dev/fuse", "/dev/ram"))
        if not (local or kind == "zfs" or mount == "/" or NETWORK.match(kind)):
            continue
        if kind in ("squashfs", "iso9660", "udf", "devtmpfs"):
            continue
        key = mount if kind.startswith(("beegfs", "fuse.")) else device  # all of these may have one name
        old = best.get(key)
        if old is None or len(mount) < len(old[1]):
            best[key] = (device, mount, kind, "ro" in options.split(","))
    return sorted(best.values(), key=lambda disk: (NETWORK.match(disk[2]) is not None, disk[1]))[:32]


def octal(text: str) -> str:
    r"""Return a mount's path with its \040 read as a space."""
    raw = text.encode("utf-8", "surrogateescape")
    raw = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match.group(1), 8) & 255]), raw)
    return raw.decode("utf-8", "surrogateescape")


def cpu_list(text: str) -> set[int]:
    """Return the CPUs of a list such as 0-3,8; raises ValueError."""
    ends = [[int(end) for end in part.split("-")] for part in text.split(",") if part]
    return {cpu for part in ends for cpu in range(part[0], min(part[-1], part[0] + 8192) + 1)}


MOUNTS = "/proc/self/mounts"
ARC_STATS = "/proc/spl/kstat/zfs/arcstats"
CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "soc_thermal", "cpu-thermal", "cpu")
PACKAGE = re.compile(r"Package|Tctl|Tdie", re.I)


def sensors() -> list[str]:
    """Return the files of the CPU's temperatures.

    Where the chip gives one of the whole package that one is taken: each core's own costs an interrupt.
    """
    found: list[str] = []
    whole: list[str] = []
    for chip in listing("/sys/class/hwmon"):
        folder = "/sys/class/hwmon/" + chip
        if read_text(folder + "/name", 64) not in CPU_SENSORS:
            continue
        for name in listing(folder):
            if name.startswith("temp") and name.endswith("_input"):
                label = read_text("%s/%s_label" % (folder, name[:-6]), 64)
                (whole if PACKAGE.match(label) else found).append(folder + "/" + name)
    if not whole and not found:
        for zone in listing("/sys/class/thermal"):
            kind = read_text("/sys/class/thermal/%s/type" % zone, 64).lower()
            if zone.startswith("thermal_zone") and ("x86_pkg" in kind or "cpu" in kind):
                found.append("/sys/class/thermal/%s/temp" % zone)
    return (whole or found)[:8]


def distribution() -> str:
    """Return the name of the distribution."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', read_text(path), re.M)
        if found:
            return found.group(1)[:NAME_LIMIT]
    return ""


def cpu_model() -> str:
    """Return the name of the processor."""
    text = read_text("/proc/cpuinfo", 8192)
    found = re.search(r"^(?:model name|Model|Hardware|cpu model)\s*:\s*(.+)$", text, re.M)
    name = found.group(1) if found else read_text("/proc/device-tree/model", 256)
    return re.sub(r"\s+", " ", name)[:NAME_LIMIT].strip()


class Mount:
    """A disk that is asked for its size in a thread of its own, for one that is gone never answers."""

    def __init__(self, device: str, mount: str, kind: str, read_only: bool) -> None:
        self.path = mount.encode("utf-8", "surrogateescape")
        self.facts: Row = {
            "mount": mount[:COMMAND_LIMIT],
            "device": device[:NAME_LIMIT],
            "filesystem": kind[:NAME_LIMIT],
            "read_only": read_only,
        }
        self.answer: Row | None = {}
        """Its size, or why it has none; empty before the first answer, None if it is not to be shown."""
        self.asked = 0.0
        self.thread: threading.Thread | None = None

    def waits(self) -> bool:
        """Tell whether an answer is still to come."""
        return self.thread is not None and self.thread.is_alive()

    def ask(self, now: float) -> None:
        """Ask for its size, unless the last answer is still to come."""
        if not self.waits():
            self.asked = now
            self.thread = threading.Thread(target=self.measure, name="disk", daemon=True)
            self.thread.start()

    def measure(self) -> None:
        """Ask for its size; this may take for ever."""
        try:
            size = os.statvfs(self.path)
            shown = bool(size.f_blocks) and os.path.isdir(self.path)
        except OSError as error:
            hidden = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR)
            self.answer = None if error.errno in hidden else {"fault": os.strerror(error.errno or 0)}
            return
        self.answer = (
            {
                "used": (size.f_blocks - size.f_bfree) * size.f_frsize,
                # what root keeps for itself is not there for anybody else, as `df` counts
                "total": (size.f_blocks - size.f_bfree + size.f_bavail) * size.f_frsize,
            }
            if shown
            else None
        )

    def row(self, now: float) -> Row | None:
        """Return it as it goes over the wire, or None if it is not to be shown."""
        answer = self.answer
        if self.waits() and (answer == {} or now - self.asked > DISK_WAIT):
            return dict(self.facts, **(answer or {}), hangs=round(max(0.0, now - self.asked), 1))
        return dict(self.facts, **answer) if answer else None


class Container:
    """The limits of the container around the probe, by control groups of either version.

    At the root of a machine itself version 2 has no such files, and version 1 no limits in them.
    """

    def __init__(self) -> None:
        self.root = rooted("/sys/fs/cgroup/")
        path = read_text(rooted("/proc/self/cgroup")).rpartition("0::")[2].split("\n")[0]
        if container(path) and os.path.isdir(self.root + path):  # it sees the groups of the whole machine
            self.root += path + "/"
        self.memory: int | None = None
        self.quota: float | None = None
        """How many CPUs' time it may have, such as 2.5."""
        self.cpus: set[int] = set()
        self.spent: tuple[float, int] | None = None

    def read(self, *names: str) -> str:
        """Return the first file that there is, as text."""
        return next(filter(None, (read_text(self.root + name) for name in names)), "")

    def number(self, first: str, *others: str) -> int | None:
        """Return the number in the first file that there is; `max` is none."""
        text = self.read(first, *others)
        return int(text) if text.isdigit() else None

    def find(self) -> None:
        """Read the limits, which may change while it runs."""
        self.memory = self.number("memory.max", "memory/memory.limit_in_bytes")
        old = self.read("cpu/cpu.cfs_quota_us") + " " + self.read("cpu/cpu.cfs_period_us")
        words = (self.read("cpu.max") or old).split()
        limited = len(words) == 2 and all(word.isdigit() and int(word) for word in words)
        self.quota = int(words[0]) / int(words[1]) if limited else None
        places = ("cpuset.cpus.effective", "cpuset/cpuset.effective_cpus", "cpuset/cpuset.cpus")
        self.cpus = cpu_list(self.read(*places))

    def memory_facts(self, facts: Row) -> Row:
        """Return the facts of the machine's memory, or those of the container's when it has less."""
        limit, total = self.memory, facts.get("memory_total")
        used = None if limit is None else self.number("memory.current", "memory/memory.usage_in_bytes")
        if limit is None or used is None or not isinstance(total, int) or limit >= total:
            return dict(facts, memory_limit=None)
        # Files that nobody reads any more are in it, and go when memory is short.
        stat = self.read("memory.stat", "memory/memory.stat")
        cache = re.search(r"^total_inactive_file (\d+)$", stat, re.M) or re.search(
            r"^inactive_file (\d+)$", stat, re.M
        )
        free = limit - used + (int(cache.group(1)) if cache else 0)
        free = max(0, min(limit, free, int(str(facts.get("memory_available", free)))))
        return dict(facts, memory_total=limit, memory_available=free, memory_limit=limit)

    def cpu_share(self, now: float) -> float | None:
        """Return how busy it kept the CPUs that it may have since the last call, in percent."""
        spent = re.search(r"^usage_usec (\d+)$", self.read("cpu.stat"), re.M)
        used = int(spent.group(1)) * 1000 if spent else self.number("cpuacct/cpuacct.usage")
        old, self.spent = self.spent, None if used is None else (now, used)
        if old is None or used is None or self.quota is None or now <= old[0]:
            return None
        return round(min(100.0, max(0.0, (used - old[1]) / 1e7 / (now - old[0]) / self.quota)), 1)


class Host:
    """Reads the machine from /proc and /sys, within the limits of a container."""

    def __init__(self) -> None:
        system = os.uname()
        self.facts: Row = {
            "hostname": system.nodename[:NAME_LIMIT],
            "kernel": system.release[:NAME_LIMIT],
            "machine": system.machine,
            "distribution": distribution(),
            "cpu_model": cpu_model(),
            "boot_id": read_text("/proc/sys/kernel/random/boot_id", 64),
        }
        self.values: Row = {}
        self.times: dict[str, tuple[int, int]] = {}
        self.counters: dict[str, tuple[float, int, int]] = {}
        self.disks: dict[tuple[str, str, str, bool], Mount] = {}
        self.container = Container()
        self.sensors = sensors()
        self.interfaces: set[str] = set()
        self.devices: set[str] = set()

    def tick(self, lanes: set[str], now: float) -> Row:
        """Return the host as it goes over the wire; a part that cannot be read is left out."""
        values = self.values
        for lane, part in (
            ("rare", self.hardware),
            ("fast", self.cpu),
            ("fast", self.memory),
            ("fast", self.rates),
            ("slow", self.heat),
            ("slow", self.measure),
        ):
            if lane in lanes:
                try:
                    values.update(part(now))
                except (
                    OSError,
                    ValueError,
                    IndexError,
                    RuntimeError,
                ):  # the last: no more threads for this user
                    continue
        row = dict(self.facts, **given(values))
        disks = [disk.row(now) for disk in self.disks.values()]
        if any(disks):
            row["disks"] = [disk for disk in disks if disk]
        return row

    def hardware(self, now: float) -> Row:
        """Find out which interfaces and disks are real; those of containers would count twice."""
        links = listing("/sys/class/net")
        real = {name for name in links if os.path.exists("/sys/class/net/%s/device" % name)}
        self.interfaces = real or {name for name in links if name != "lo"}
        self.devices = {
            name for name in listing("/sys/block") if os.path.exists("/sys/block/%s/device" % name)
        }
        self.container.find()
        return {}

    def cpu(self, now: float) -> Row:
        """Read how busy the cores were since the last tick."""
        old, self.times = self.times, cpu_times(read_all("/proc/stat").decode("ascii", "replace"))
        shares = {name: cpu_share(old.get(name), ticks) for name, ticks in self.times.items()}
        whole, inside = shares.pop("cpu", None), self.container
        count = len(shares)
        if inside.cpus and inside.cpus < {int(name[3:]) for name in shares}:
            shares = {name: share for name, share in shares.items() if int(name[3:]) in inside.cpus}
        cores = [share for share in shares.values() if share is not None]
        limit = min(inside.quota or count, len(shares))
        if inside.quota and limit == inside.quota:
            whole = inside.cpu_share(now)
        elif limit < count:
            whole = round(sum(cores) / len(cores), 1) if cores else None
        load = [float(word) for word in read_text("/proc/loadavg", 128).split()[:3]]
        return {
            "cpu": self.values.get("cpu") if whole is None else whole,
            "cpu_limit": limit if limit < count else None,
            "cores": cores or self.values.get("cores"),
            "load": load,
            "uptime": float(read_text("/proc/uptime", 128).split()[0]),
        }

    def memory(self, now: float) -> Row:
        """Read memory and swap."""
        text = read_all("/proc/meminfo", 8192).decode("ascii", "replace")
        return self.container.memory_facts(memory_facts(text, read_text(rooted(ARC_STATS))))

    def rates(self, now: float) -> Row:
        """Read what went through network and disks since the last tick."""
        net = net_bytes(read_text("/proc/net/dev"), self.interfaces.__contains__)
        row = self.rate("net", now, net, ("net_receive", "net_send"))
        if self.devices:
            disk = disk_bytes(read_text("/proc/diskstats"), self.devices.__contains__)
            row.update(self.rate("disk", now, disk, ("disk_read", "disk_write")))
        return row

    def rate(self, key: str, now: float, new: tuple[int, int], names: tuple[str, str]) -> Row:
        """Return two counters as bytes a second."""
        old = self.counters.get(key)
        self.counters[key] = (now, new[0], new[1])
        if old is None or now <= old[0]:
            return {}
        span = now - old[0]
        return {
            name: round(max(0, now_ - then) / span) for name, now_, then in zip(names, new, (old[1], old[2]))
        }

    def heat(self, now: float) -> Row:
        """Read the hottest sensor of the CPU."""
        degrees = [int(text) / 1000.0 for text in (read_text(path, 32) for path in self.sensors) if text]
        sane = [value for value in degrees if -40 < value < 200]
        return {"temperature": max(sane) if sane else None}

    def measure(self, now: float) -> Row:
        """Ask the disks for their sizes; what is not answered at once is in a later sample."""
        listed = mounts(read_all(MOUNTS).decode("utf-8", "surrogateescape"))
        waiting = [key for key, disk in self.disks.items() if disk.waits()]
        self.disks = {key: self.disks.get(key) or Mount(*key) for key in listed}
        asked = [disk for key, disk in self.disks.items() if key not in waiting]
        for disk in asked:
            disk.ask(now)
        end = time.monotonic() + 0.02
        for disk in asked:
            if disk.thread is not None:
                disk.thread.join(max(0.0, end - time.monotonic()))
        return {}


CONTAINERS = (
    ("docker", re.compile(r"(?:/docker/|/docker-)([0-9a-f]{64})")),
    ("podman", re.compile(r"libpod-(?!conmon)([0-9a-f]{64})")),
    ("k8s", re.compile(r"kubepods.*?(?:cri-containerd[-:]|crio-|docker-|/)([0-9a-f]{64})")),
    ("containerd", re.compile(r"(?:cri-containerd[-:]|/(?:default|moby|k8s\.io)/|nerdctl-)([0-9a-f]{64})")),
    ("lxc", re.compile(r"/lxc(?:\.payload)?[./]([^/\n.]+)")),
    ("nspawn", re.compile(r"/machine\.slice/(?:machine-|systemd-nspawn@)([^/\n]+?)\.(?:scope|service)")),
)


def container(cgroup: str) -> tuple[str, str] | None:
    """Return the kind of container and its full name or number, from /proc/PID/cgroup, or None."""
    # Kubernetes first: below its folder lie the same scopes that containerd and docker use by themselves.
    order = ("k8s", "docker", "podman", "containerd", "lxc", "nspawn")
    patterns = dict(CONTAINERS)
    for kind in order:
        found = patterns[kind].search(cgroup)
        if found:
            return kind, found.group(1)
    return None


def environment_of(executable: str, argument: str, told_env: dict[str, str]) -> str | None:
    """Return the conda or virtual environment of a process, from what it runs and three of its variables."""
    python = re.match(r"(?:i?python|pypy|jupyter)", os.path.basename(executable or argument))
    venv = venv_above(argument)
    if venv:
        return venv
    found = re.match(r".*/envs/([^/]+)/", executable or argument)
    if found:
        return found.group(1)[:NAME_LIMIT]
    if python and told_env.get("VIRTUAL_ENV"):
        return venv_name(told_env["VIRTUAL_ENV"])
    if re.match(r".*/(?:ana|mini)?(?:conda|mamba|forge)\w*/bin/", executable):
        return "base"
    conda = told_env.get("CONDA_DEFAULT_ENV") or told_env.get("CONDA_PREFIX")
    if python and conda:
        return os.path.basename(conda.rstrip("/"))[:NAME_LIMIT] or None
    return None


def venv_above(argument: str) -> str | None:
    """Return the name of the virtual environment in whose bin folder a program lies."""
    folder, name = os.path.split(argument)
    if not name or os.path.basename(folder) != "bin":
        return None
    root = os.path.dirname(folder)
    return venv_name(root) if root and os.path.isfile(os.path.join(root, "pyvenv.cfg")) else None


def venv_name(root: str) -> str:
    """Return what people call a virtual environment: a folder called .venv is named with its parent."""
    parent, name = os.path.split(root.rstrip("/"))
    if name.lstrip(".") in ("venv", "env", "virtualenv"):
        name = os.path.basename(parent) + "/" + name
    return name[:NAME_LIMIT]


class Users:
    """Names of users; those that no file knows are asked for beside everything else, for LDAP may be dead."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.asked: set[int] = set()
        for line in read_text("/etc/passwd", 1 << 20).split("\n"):
            words = line.split(":")
            if len(words) > 2 and words[2].isdigit():
                self.names.setdefault(int(words[2]), words[0][:NAME_LIMIT])

    def name(self, uid: int) -> str:
        """Return the name of a user, or the number until it is known."""
        if uid not in self.names and uid not in self.asked and len(self.asked) < 1000:
            self.asked.add(uid)
            asking = threading.Thread(target=self.look, args=(uid,), name="users", daemon=True)
            asking.start()
            asking.join(0.01)
        return self.names.get(uid, str(uid))

    def look(self, uid: int) -> None:
        """Ask the system for a name."""
        import pwd

        with contextlib.suppress(KeyError):
            self.names[uid] = pwd.getpwuid(uid).pw_name[:NAME_LIMIT]


class Processes:
    """Reads the processes of the GPUs and the busiest of the host, from /proc."""

    def __init__(self, top: int, commands: bool) -> None:
        self.top = top
        self.commands = commands
        self.users = Users()
        self.boot = 0.0
        self.last: dict[int, tuple[int, int, float]] = {}
        """Start, CPU ticks and time of the last reading of each process."""
        self.stats: dict[int, tuple[float | None, int, str, int, str]] = {}
        """CPU share, resident memory, state, start and name of each process."""
        self.details: dict[tuple[int, int, str], Row] = {}
        self.kernel: set[int] = set()
        self.scans = 0
        self.count: int | None = None
        self.leaders: list[int] = []
        self.period = 2.0
        """Seconds between full scans: a box with thousands of processes is scanned less often."""
        self.next = 0.0

    def tick(self, apps: list[App], now: float) -> list[Row]:
        """Return the rows of the GPUs' processes, then those of the host's busiest."""
        wanted = {int(str(app["pid"])) for app in apps}
        if now >= self.next:
            self.scan(now)
            wanted -= set(self.stats)
        else:
            wanted.update(self.leaders)
        for pid in wanted:
            self.stat(pid, now)
        rows = [dict(app, **self.facts(int(str(app["pid"])))) for app in apps]
        on_gpu = {app["pid"] for app in apps}
        rows += [
            dict(self.facts(pid), pid=pid) for pid in self.leaders if pid not in on_gpu and pid in self.stats
        ]
        return rows

    def scan(self, now: float) -> None:
        """Read every process once; threads of the kernel only now and then."""
        begin = time.monotonic()
        if not self.boot:
            found = re.search(rb"^btime (\d+)", read_all("/proc/stat"), re.M)
            self.boot = float(found.group(1)) if found else 0.0
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        self.count = len(pids)
        if self.scans % 15 == 0:
            self.kernel = set()
        self.scans += 1
        old = self.last
        self.last, self.stats, before = {}, {}, old
        for pid in pids:
            if pid not in self.kernel:
                self.stat(pid, now, before)
        busiest = sorted(
            ((share or 0.0, memory, pid) for pid, (share, memory, _, _, _) in self.stats.items()),
            reverse=True,
        )
        self.leaders = [pid for _, _, pid in busiest[: self.top]]
        alive = {(pid, stat[3], stat[4]) for pid, stat in self.stats.items()}
        self.details = {key: row for key, row in self.details.items() if key in alive}
        # Half a percent of a core is what a scan may take, and two seconds is as often as anybody looks.
        self.period = min(30.0, max(2.0, 200 * (time.monotonic() - begin)))
        self.next = now + self.period - 0.1

    def stat(self, pid: int, now: float, before: dict[int, tuple[int, int, float]] | None = None) -> None:
        """Read one process's numbers."""
        try:
            raw = read("/proc/%d/stat" % pid, 1024)
            right = raw.rindex(b")")
            words = raw[right + 2 :].split(None, 22)
            start, ticks = int(words[19]), int(words[11]) + int(words[12])
        except (OSError, ValueError, IndexError):
            self.stats.pop(pid, None)
            self.last.pop(pid, None)
            return
        if words[1] == b"2" or pid == 2:
            self.kernel.add(pid)
        old = (self.last if before is None else before).get(pid)
        share: float | None = None
        if old is not None and old[0] == start:
            span = now - old[2]
            if span < 0.2:  # too short to divide by; keep the older reading as the base
                self.last[pid] = old
                share = self.stats[pid][0] if pid in self.stats else None
                self.stats[pid] = (
                    share,
                    int(words[21]) * PAGE,
                    words[0].decode("ascii", "replace"),
                    start,
                    name_of(raw, right),
                )
                return
            share = round(100.0 * max(0, ticks - old[1]) / TICKS / span, 1)
        self.last[pid] = (start, ticks, now)
        self.stats[pid] = (
            share,
            int(words[21]) * PAGE,
            words[0].decode("ascii", "replace"),
            start,
            name_of(raw, right),
        )

    def facts(self, pid: int) -> Row:
        """Return what is known of a process; one that is not to be seen from here has no facts."""
        stat = self.stats.get(pid)
        if stat is None:
            return {}
        share, memory, state, start, name = stat
        key = (pid, start, name)  # the name too: a shell that becomes python keeps number and start
        row = self.details.get(key)
        if row is None:
            row = self.details[key] = self.look(pid, start, name)
        user = self.users.name(int(str(row["uid"]))) if "uid" in row else ""
        facts = {field: value for field, value in row.items() if field != "uid"}
        return given(dict(facts, user=user, name=name, cpu=share, memory=memory, state=state))

    def look(self, pid: int, start: int, name: str) -> Row:
        """Read what does not change about a process."""
        folder = "/proc/%d/" % pid
        row: Row = {"started": round(self.boot + start / TICKS, 2)}
        try:
            row["uid"] = os.stat(folder).st_uid
        except OSError:
            return row
        line = read_text(folder + "cmdline", 4 * COMMAND_LIMIT)
        words = line.split("\0")
        row["command"] = " ".join(words)[:COMMAND_LIMIT] if self.commands and line else name
        found = container(read_text(folder + "cgroup", 8192))
        if found is not None:
            row["container"] = self.container_name(pid, *found)
        elif line:
            row["env"] = self.env(folder, words[0])
        return given(row)

    def container_name(self, pid: int, kind: str, number: str) -> str:
        """Return a container by the name that docker keeps or by its own host name, if they may be read."""
        if len(number) < 64:
            return "%s:%s" % (kind, number[:NAME_LIMIT])
        name = ""
        if kind == "docker":
            text = read_text("/var/lib/docker/containers/%s/config.v2.json" % number)
            found = re.search(r'"Name":"/?([^"]+)"', text)
            name = found.group(1) if found else ""
        if not name and kind == "k8s":
            name = read_text("/proc/%d/root/etc/hostname" % pid, NAME_LIMIT)
        return "%s:%s" % (kind, name[:NAME_LIMIT] or number[:12])

    def env(self, folder: str, argument: str) -> str | None:
        """Return the environment a process runs in."""
        try:
            executable = os.readlink(folder + "exe")
        except OSError:
            executable = ""
        if "/" in argument and not argument.startswith("/"):
            with contextlib.suppress(OSError):
                argument = os.path.join(os.readlink(folder + "cwd"), argument)
        told_env: dict[str, str] = {}
        if re.match(r"(?:i?python|pypy|jupyter)", os.path.basename(executable or argument)):
            for part in read_text(folder + "environ", 1 << 17).split("\0"):
                key, _, value = part.partition("=")
                # Only these three are ever looked at: an environment is full of keys.
                if key in ("VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX"):
                    told_env[key] = value
        return environment_of(executable, os.path.normpath(argument) if argument else "", told_env)


def name_of(raw: bytes, right: int) -> str:
    """Return a process's name out of its stat line; it may hold brackets and spaces itself."""
    return raw[raw.index(b"(") + 1 : right].decode("utf-8", "replace")[:NAME_LIMIT]


class PortableHost:
    """Reads a machine without /proc (macOS, BSD) through psutil, else only what Python itself knows."""

    def __init__(self, psutil: ModuleType | None) -> None:
        self.psutil = psutil
        system = os.uname()
        self.facts: Row = {
            "hostname": system.nodename[:NAME_LIMIT],
            "kernel": "%s %s" % (system.sysname, system.release),
            "machine": system.machine,
        }

    def tick(self, lanes: set[str], now: float) -> Row:
        """Return the host as it goes over the wire."""
        row = dict(self.facts, load=list(os.getloadavg()))
        p = self.psutil
        if p is None:
            return row
        memory, swap = p.virtual_memory(), p.swap_memory()
        row.update(
            {
                "cpu": p.cpu_percent(),
                "cores": p.cpu_percent(percpu=True),
                "memory_total": memory.total,
                "memory_available": memory.available,
                "swap_total": swap.total,
                "swap_used": swap.used,
                "uptime": time.time() - p.boot_time(),
                "disks": [
                    {
                        "mount": part.mountpoint,
                        "device": part.device,
                        "filesystem": part.fstype,
                        "used": usage.used,
                        "total": usage.used + usage.free,
                    }
                    for part, usage in ((part, p.disk_usage(part.mountpoint)) for part in p.disk_partitions())
                ],
            }
        )
        return row


class PortableProcesses:
    """Reads the processes of a machine without /proc through psutil."""

    def __init__(self, psutil: ModuleType | None, top: int, commands: bool) -> None:
        self.psutil = psutil
        self.top = top
        self.commands = commands
        self.count: int | None = None

    def tick(self, apps: list[App], now: float) -> list[Row]:
        """Return the rows of the GPUs' processes, then those of the host's busiest."""
        p = self.psutil
        if p is None:
            return list(apps)
        fields = ["pid", "username", "name", "cmdline", "cpu_percent", "memory_info", "create_time"]
        found = {process.info["pid"]: self.row(process.info) for process in p.process_iter(fields)}
        self.count = len(found)
        rows = [dict(app, **found.get(app["pid"], {})) for app in apps]
        busiest = sorted(found.values(), key=lambda row: float(str(row.get("cpu", 0))), reverse=True)
        return rows + busiest[: self.top]

    def row(self, info: Row) -> Row:
        """Return one process as it goes over the wire."""
        words = info["cmdline"]
        line = " ".join(words) if isinstance(words, list) and self.commands else ""
        name = str(info["name"])[:NAME_LIMIT]
        return given(
            {
                "pid": info["pid"],
                "user": info["username"],
                "name": name,
                "command": line[:COMMAND_LIMIT] or name,
                "cpu": info["cpu_percent"],
                "memory": getattr(info["memory_info"], "rss", None),
                "started": info["create_time"],
            }
        )


class Stop(Exception):
    """The probe should end, with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Pack:
    """Makes a line a tenth as long: all lines are one deflate stream, flushed and in base64 after each.

    A sample says nearly the same as the one before it: 16 kB become 0.5 kB. sshd could compress too, but
    then it would everything on the connection, and a tunnel through a fast network would crawl.
    """

    def __init__(self) -> None:
        import base64
        import zlib

        self.stream = zlib.compressobj(6)
        self.flush = zlib.Z_SYNC_FLUSH
        self.encode = base64.b64encode
        self.head = b"Z"
        """`Z` begins a stream, `z` goes on with it."""

    def line(self, data: bytes) -> bytes:
        """Return the next line, packed."""
        head, self.head = self.head, b"z"
        return head + self.encode(self.stream.compress(data) + self.stream.flush(self.flush)) + b"\n"


def escaped(match: re.Match[str]) -> str:
    """Return a character as ASCII in JSON; for a byte that is no UTF-8, which Python keeps as one, U+FFFD."""
    character = match.group()
    return json.dumps("\ufffd" if "\ud800" <= character <= "\udfff" else character)[1:-1]


class Wire:
    """Both ends of the channel: commands come in, lines go out, and neither blocks for ever."""

    def __init__(self, source: int = 0, sink: int = 1, pack: bool = False) -> None:
        self.source = source
        self.sink = sink
        self.pack = Pack() if pack else None
        self.pending = b""
        self.beat_at = time.monotonic()
        self.pong: int | None = None
        self.pcie: int | None = None
        self.interval: float | None = None
        self.hurry = False
        """Whether something was asked for that shows in the next sample, and should not wait for it."""

    def wait(self, until: float) -> None:
        """Obey commands until a moment; raises Stop."""
        while True:
            now = time.monotonic()
            left = min(until - now, self.beat_at + SILENCE - now)
            # What came in is read before silence is counted: beats may have waited behind a stuck write.
            if select.select([self.source], [], [], max(0.0, left))[0]:
                self.take()
                if self.hurry:
                    self.hurry = False
                    return
            elif time.monotonic() - self.beat_at >= SILENCE:
                raise Stop(0)
            elif time.monotonic() >= until:
                return

    def take(self) -> None:
        """Read what came in and obey its whole lines; raises Stop at the end of the channel."""
        block = os.read(self.source, 4096)
        if not block:
            raise Stop(0)
        lines = (self.pending + block).split(b"\n")
        self.pending = lines.pop()[-4096:]
        for line in lines:
            self.obey(line.decode("ascii", "replace").split())

    def obey(self, words: list[str]) -> None:
        """Do what one line says; what nobody knows is for a newer probe and is passed over."""
        verb, value = ([*words, "", ""])[:2]
        if verb == "quit":
            raise Stop(0)
        if verb == "beat":
            self.beat_at = time.monotonic()
            if value.isdigit():
                self.pong = int(value)
                self.send({"pong": self.pong})
        elif verb == "pcie":
            self.pcie = int(value) if value.isdigit() else None
            self.hurry = True
        elif verb == "fresh" and self.pack is not None:
            self.pack = Pack()
            self.hurry = True
        elif verb == "interval":
            self.interval = seconds(value) or self.interval
            self.hurry = True

    def send(self, row: Row) -> None:
        """Write one line; raises Stop when nobody reads for SILENCE seconds, or ever again."""
        text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
        if not text.isascii():
            text = re.sub("[^\0-\x7f]", escaped, text)
        data = text.encode() + b"\n"
        if self.pack is not None and "seq" in row:  # an answer to a beat says nothing twice
            data = self.pack.line(data)
        last = time.monotonic()
        while data:
            wait = SILENCE - (time.monotonic() - last)
            if wait <= 0:
                raise Stop(6)
            if not select.select([], [self.sink], [], wait)[1]:
                continue
            try:
                # A pipe that select calls writable takes 4,096 bytes at once without blocking.
                data = data[os.write(self.sink, data[:4096]) :]
            except BrokenPipeError:
                raise Stop(0) from None
            last = time.monotonic()


def seconds(text: str) -> float | None:
    """Return an interval within its bounds, or None for what is no number."""
    try:
        value = float(text)
    except ValueError:
        return None
    return min(60.0, max(0.25, value)) if value == value else None


class Cost:
    """What the probe itself takes."""

    def __init__(self) -> None:
        self.marks: deque[tuple[float, float]] = deque(maxlen=64)
        self.python = "%d.%d.%d" % sys.version_info[:3]

    def row(self, now: float, tick: float) -> Row:
        """Return CPU over the last ten seconds, memory, Python's version and the last reading's length."""
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


class Probe:
    """Puts the readings together, once per interval."""

    def __init__(self, interval: float, top: int, commands: bool, pack: bool = False) -> None:
        self.interval = interval
        self.gpus = Gpus()
        self.wire = Wire(pack=pack)
        self.cost = Cost()
        self.lanes = Schedule({"fast": 0.0, "warm": 2.0, "apps": 2.0, "slow": 5.0, "rare": 60.0})
        if os.path.isdir("/proc/self"):
            self.host: Host | PortableHost = Host()
            self.processes: Processes | PortableProcesses = Processes(top, commands)
        else:
            psutil = find_psutil()
            self.host = PortableHost(psutil)
            self.processes = PortableProcesses(psutil, top, commands)
        self.apps: list[App] = []
        self.rows: list[Row] = []
        self.jobs = jobs_mark()
        self.seq = 0

    def run(self) -> None:
        """Read and write until told to stop; raises Stop."""
        begin = time.monotonic()
        while True:
            self.interval = self.wire.interval or self.interval
            self.wire.send(self.sample())
            now = time.monotonic()
            begin = begin + self.interval if begin <= now < begin + self.interval else now + self.interval
            self.wire.wait(begin)

    def sample(self) -> Row:
        """Return one sample."""
        now = time.monotonic()
        lanes = self.lanes.due(now)
        faults: list[Row] = []
        begun = self.gpus.ask(lanes, self.wire.pcie)
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
        if self.wire.pong is not None:
            row["pong"] = self.wire.pong
        with contextlib.suppress(OSError):
            row["jobs"] = round(os.stat(self.jobs).st_mtime, 3)
        return row

    def guarded(self, part: str, action: Callable[[], T], instead: T, faults: list[Row]) -> T:
        """Return what a part gives; what we did not foresee in one part must not end the others."""
        try:
            return action()
        except Exception as error:
            faults.append({"code": "error", "detail": "Reading the %s: %s" % (part, told(error))})
            return instead


def jobs_mark() -> str:
    """Return the file that is touched whenever a job of ours changes; its place is told in records.py."""
    state = os.environ.get("GPUBOX_STATE_DIR", "")
    if not state:
        state = os.environ.get("XDG_STATE_HOME", "")
        state = os.path.join(
            state if state.startswith("/") else os.path.expanduser("~/.local/state"), "gpubox"
        )
    machine = read_text("/etc/machine-id")[:12]
    if not re.match("[0-9a-f]{12}$", machine):
        machine = re.sub(r"[^A-Za-z0-9_.-]", "_", os.uname().nodename)
    return os.path.join(os.path.abspath(state), machine, "jobs", ".changed")


def find_psutil() -> ModuleType | None:
    """Return psutil of the box's own Python; the probe runs without site-packages until here."""
    import site

    site.main()
    try:
        import psutil
    except ImportError:
        return None
    return psutil


def main(arguments: list[str]) -> int:
    """Run the probe and return its exit code."""
    settings = {"interval": "1", "top": "15", "commands": "1", "pack": "0"}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.startswith("env:"):
            from urllib.parse import unquote

            os.environ[unquote(name[4:])] = unquote(value)
        elif equals and name in settings:
            settings[name] = value
        else:
            sys.stderr.write("gpubox: the probe does not know the argument %r\n" % argument)
            return 2
    interval = seconds(settings["interval"])
    if interval is None or not settings["top"].isdigit():
        sys.stderr.write("gpubox: interval and top must be numbers\n")
        return 2
    code = 70
    try:
        Probe(interval, int(settings["top"]), settings["commands"] != "0", settings["pack"] != "0").run()
    except Stop as stop:
        code = stop.code
    except KeyboardInterrupt:
        code = 0
    except Exception as error:  # the last border: whatever it was, it is told in one line
        sys.stderr.write("gpubox: the probe found a fault in itself: %s\n" % told(error))
    sys.stderr.flush()
    # A thread may hang in the driver for ever; nothing here needs its end.
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
