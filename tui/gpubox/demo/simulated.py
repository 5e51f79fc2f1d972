"""Stands in for pynvml on the demo box: two GPUs that do not exist, loaded as trainings would load them.

It runs inside the probe (Python 3.8 or newer, standard library only). The load is a function of time, so that
a new probe goes on where the last one ended; only heat has a memory. The processes are real: one that ends
takes its load and its memory with it, and one that is stopped holds its memory and does nothing.

Environment: GPUBOX_DEMO_WORK names a file, a JSON list of {"pid", "gpu", "kind", "began"}.
"""

from __future__ import annotations

import json
import math
import os
import time
from types import SimpleNamespace as Entry

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing would delay the first sample
    from collections.abc import Callable

SIMULATED = True
"""The probe passes it on; everything read from here is marked."""

MIB = 1024 * 1024
IDLE, POWER_CAP = 0x1, 0x4
"""Bits of nvmlClocksEventReasons."""
NOT_FOUND, NOT_SUPPORTED = 6, 3
NO_INSTANCE = 0xFFFFFFFF
"""What NVML gives for a process on a whole GPU."""
WARM = 600
"""Seconds of the past that heat is computed from; the slow half forgets in 70."""


class NVMLError(Exception):
    """An error as NVML numbers it."""

    def __init__(self, value: int) -> None:
        super().__init__({NOT_FOUND: "Not Found", NOT_SUPPORTED: "Not Supported"}.get(value, "Unknown Error"))
        self.value = value


class Load:
    """What work asks of a GPU at one moment; 1 is all of it."""

    def __init__(
        self, util: float = 0.0, power: float = 0.0, memory: float = 0.0, copies: float = 0.0
    ) -> None:
        self.util = util
        self.power = power
        self.memory = memory  # MiB
        self.copies = copies  # share of the PCIe link


def noise(moment: float, seed: int) -> float:
    """Return a number from 0 to 1 that depends on the moment alone, new every quarter of a second."""
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
    """Return the load of small runs one after the other, held up by the CPU that prepares their data."""
    place = age % 150
    if place < 9:
        return Load(0.02 * noise(age, 7), 0.08, 640.0 if place < 5 else 6900.0, 0.01)
    wave = 0.08 * math.sin(age / 9) + 0.05 * math.sin(age / 2.3)
    stall = 0.3 if age % 8 < 1 else 0.0
    return Load(0.66 + wave + 0.12 * noise(age, 8) - stall, 0.7 + wave - stall / 2, 6900.0, 0.18)


KINDS = {"training": training, "sweep": sweep}


class Card:
    """A model of GPU, and how warm this one is."""

    def __init__(
        self, index: int, name: str, memory: int, limit: float, clocks: tuple[int, int, int], modern: bool
    ) -> None:
        self.index, self.name, self.memory, self.limit = index, name, memory, limit
        self.clocks = clocks
        """MHz: SM at most, SM under load, memory at most."""
        self.modern = modern
        """Whether it is of this decade; the other one is a Pascal card."""
        self.idle = 18.0 if modern else 8.0
        self.heat = 0.091 if modern else 0.33
        """Degrees above the room that a watt gives, once everything is warm."""
        self.until = 0.0
        self.fast = self.slow = self.idle
        """Watts as the chip and as its cooler remember them."""

    def power(self, load: Load) -> float:
        """Return watts under a load; the limit holds."""
        return min(self.limit - 0.4, self.idle + (self.limit - self.idle) * max(0.0, load.power))

    def warm(self, work: Workload, now: float) -> None:
        """Let the heat follow the load up to now, in steps of at most a second."""
        moment = max(self.until, now - WARM)
        while moment < now:
            step = min(1.0, now - moment)
            moment += step
            watts = self.power(work.load(self.index, moment))
            self.fast += (watts - self.fast) * (1 - math.exp(-step / 4))
            self.slow += (watts - self.slow) * (1 - math.exp(-step / 70))
        self.until = now

    def temperature(self) -> float:
        """Return degrees Celsius: a third of the heat is the chip's, the rest the cooler's."""
        return 29 + self.heat * (0.35 * self.fast + 0.65 * self.slow)

    def fan(self) -> int:
        """Return percent; a modern card stands still while it is cool."""
        over = self.temperature() - 42
        if self.modern and over < 4:
            return 0
        return int(min(100, max(27, 30 + 1.25 * over)))


class Workload:
    """The processes that give the load."""

    def __init__(self, path: str) -> None:
        self.items: list[tuple[int, int, str, float]] = []
        if path:
            with open(path, encoding="utf-8") as file:
                self.items = json.load(file)
        self.states: dict[int, str] = {}
        self.looked = 0.0

    def look(self, now: float) -> None:
        """Look which processes are alive, and which of them somebody stopped; once a reading is enough."""
        if not 0 <= now - self.looked < 0.2:
            self.looked = now
            self.states = {pid: state(pid) for pid, _, _, _ in self.items}

    def on(self, index: int) -> list[tuple[int, str, str, float]]:
        """Return pid, state, kind and beginning of the living work on a GPU."""
        rows = [
            (pid, self.states.get(pid, ""), kind, began)
            for pid, gpu, kind, began in self.items
            if gpu == index
        ]
        return [row for row in rows if row[1]]

    def load(self, index: int, moment: float) -> Load:
        """Return the load on a GPU at a moment, if the processes were as they are now."""
        total = Load()
        for _, doing, kind, began in self.on(index):
            load = KINDS[kind](max(0.0, moment - began))
            total.memory += load.memory
            if doing != "T":
                total.util, total.power = min(1.0, total.util + load.util), total.power + load.power
                total.copies += load.copies
        return total


def state(pid: int) -> str:
    """Return the kernel's letter of a process, or nothing when it is gone or a zombie."""
    try:
        os.kill(pid, 0)
        if not os.path.isdir("/proc/self"):
            return "S"
        with open(f"/proc/{pid}/stat", "rb") as file:
            letter = file.read().rpartition(b")")[2].split()[0].decode()
    except OSError:
        return ""
    return "" if letter in "ZX" else letter


CARDS = (
    Card(0, "NVIDIA GeForce GTX 1070", 8192, 151.0, (1911, 1847, 4004), False),
    Card(1, "NVIDIA GeForce RTX 4090", 24564, 450.0, (3105, 2640, 10501), True),
)
WORK = Workload(os.environ.get("GPUBOX_DEMO_WORK", ""))


def utilization(card: Card, load: Load, which: int) -> object:
    """Return percent of time: kernels ran, memory was read or written."""
    return Entry(gpu=round(100 * load.util), memory=round(load.util * (58 if card.modern else 41)))


def memory(card: Card, load: Load, which: int) -> object:
    """Return bytes; the desktop keeps a little of the first card."""
    used = int(min(card.memory, load.memory + (0 if card.modern else 58))) * MIB
    return Entry(total=card.memory * MIB, used=used, free=card.memory * MIB - used)


def clock(card: Card, load: Load, which: int) -> object:
    """Return MHz of the SMs (1) or the memory (2)."""
    _, loaded, memory_most = card.clocks
    if not load.power:
        return 210 if card.modern else 139
    return memory_most - 202 if which == 2 else loaded - 15 * int(max(0.0, card.temperature() - 58) / 3)


def reasons(card: Card, load: Load, which: int) -> object:
    """Return why the clock is not at its highest."""
    return IDLE if not load.power else POWER_CAP if card.power(load) > card.limit - 3 else 0


def processes(card: Card, load: Load, which: int) -> object:
    """Return the processes with what each of them holds."""
    now = time.time()
    return [
        Entry(pid=pid, usedGpuMemory=int(KINDS[kind](now - began).memory) * MIB, gpuInstanceId=NO_INSTANCE)
        for pid, _, kind, began in WORK.on(card.index)
    ]


def busy(card: Card, load: Load, which: int) -> object:
    """Return the share of the SMs that each process takes; raises NVMLError when there is none."""
    working = [pid for pid, doing, _, _ in WORK.on(card.index) if doing != "T"]
    if not working:
        raise NVMLError(NOT_FOUND)
    stamp = int(time.time() * 1e6)
    return [Entry(pid=pid, timeStamp=stamp, smUtil=round(100 * load.util)) for pid in working]


SYSTEM: dict[str, Callable[..., object]] = {
    "nvmlInit": lambda: None,
    "nvmlShutdown": lambda: None,
    "nvmlSystemGetDriverVersion": lambda: "550.90.07",
    "nvmlSystemGetNVMLVersion": lambda: "12.550.90.07",
    "nvmlSystemGetCudaDriverVersion": lambda: 12040,
    "nvmlDeviceGetCount": lambda: len(CARDS),
    "nvmlDeviceGetHandleByIndex": CARDS.__getitem__,
}
DEVICE: dict[str, Callable[[Card, Load, int], object]] = {
    "UUID": lambda card, load, _: f"GPU-51d0{card.index:04x}-0000-4000-8000-00000000demo",
    "Name": lambda card, load, _: card.name,
    "PciInfo": lambda card, load, _: Entry(busId=f"00000000:{card.index + 1:02X}:00.0"),
    "UtilizationRates": utilization,
    "MemoryInfo": memory,
    "PowerUsage": lambda card, load, _: round(1000 * card.power(load)),
    "EnforcedPowerLimit": lambda card, load, _: round(1000 * card.limit),
    "ClockInfo": clock,
    "MaxClockInfo": lambda card, load, which: card.clocks[2 if which == 2 else 0],
    "Temperature": lambda card, load, _: round(card.temperature()),
    "TemperatureThreshold": lambda card, load, which: (99, 96)[which] - (5 if card.modern else 0),
    "FanSpeed": lambda card, load, _: card.fan(),
    "PerformanceState": lambda card, load, _: 2 if load.power else 8,
    "CurrentClocksEventReasons": reasons,
    "EncoderUtilization": lambda card, load, _: [0, 167000],
    "DecoderUtilization": lambda card, load, _: [0, 167000],
    "CurrPcieLinkGeneration": lambda card, load, _: (4 if card.modern else 3) if load.power else 1,
    "MaxPcieLinkGeneration": lambda card, load, _: 4 if card.modern else 3,
    "CurrPcieLinkWidth": lambda card, load, _: 16 if card.modern else 8,
    "MaxPcieLinkWidth": lambda card, load, _: 16,
    "PcieThroughput": lambda card, load, which: round(load.copies * (9e4, 5.2e6)[which]),
    "PersistenceMode": lambda card, load, _: 1,
    "ComputeMode": lambda card, load, _: 0,
    "DisplayActive": lambda card, load, _: 0 if card.modern else 1,
    "ComputeRunningProcesses": processes,
    "ProcessUtilization": busy,
}
"""What nvmlDeviceGet… answers, as far as the probe asks; names, arguments and units are pynvml's."""
REFUSED = (
    "TotalEccErrors",
    "RemappedRows",
    "RetiredPages",
    "MigMode",
    "FieldValues",
    "TotalEnergyConsumption",
)
"""What it says NVMLError_NotSupported to."""


def __getattr__(name: str) -> Callable[..., object]:
    if name in SYSTEM:
        return SYSTEM[name]
    what = name.replace("nvmlDeviceGet", "", 1)
    if what not in DEVICE and what not in REFUSED:
        raise AttributeError(name)

    def answer(card: Card, which: object = 0, *_: object) -> object:
        if what in REFUSED:
            raise NVMLError(NOT_SUPPORTED)
        now = time.time()
        WORK.look(now)
        card.warm(WORK, now)
        return DEVICE[what](card, WORK.load(card.index, now), which if isinstance(which, int) else 0)

    return answer
