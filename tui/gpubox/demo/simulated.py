"""Replaces pynvml on the demo box: three simulated GPUs with the load of trainings.

It runs inside the probe (Python 3.8 or newer, standard library only), with load.py beside it. The load is a
function of time, so that a new probe continues where the last one ended; only heat has a state. The processes
are real: load and memory end with them, and a stopped one keeps its memory without load. The last GPU idles
until a job leases it.

Environment: GPUBOX_DEMO_WORK names a file, a JSON list of {"pid", "gpu", "kind", "began"}.
"""

from __future__ import annotations

import math
import os
import sys
import time
from types import SimpleNamespace as Entry

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing would delay the first sample
    from collections.abc import Callable

    from gpubox.demo import load as loads
    from gpubox.demo.load import Load
else:
    loads = type(sys)("loads")
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "load.py"), encoding="utf-8") as file:
        exec(compile(file.read(), file.name, "exec"), loads.__dict__)

SIMULATED = True
"""The probe reports it, so that readings from here are marked."""

MIB = 1024 * 1024
IDLE, POWER_CAP = 0x1, 0x4
"""Bits of nvmlClocksEventReasons."""
NOT_FOUND, NOT_SUPPORTED = 6, 3
NO_INSTANCE = 0xFFFFFFFF
"""NVML's number for a process on a whole GPU."""
WARM = 600
"""Past seconds from which heat is computed; the slow part has a time constant of 70."""


class NVMLError(Exception):
    """An error of NVML."""

    def __init__(self, value: int) -> None:
        super().__init__({NOT_FOUND: "Not Found", NOT_SUPPORTED: "Not Supported"}.get(value, "Unknown Error"))
        self.value = value


class SimulatedGpu:
    """A simulated GPU with its temperature."""

    def __init__(
        self, index: int, name: str, memory: int, limit: float, clocks: tuple[int, int, int], modern: bool
    ) -> None:
        self.index, self.name, self.memory, self.limit = index, name, memory, limit
        self.uuid = f"GPU-51d0{index:04x}-0000-4000-8000-00000000demo"
        self.clocks = clocks
        """MHz: SM maximum, SM under load, memory maximum."""
        self.modern = modern
        """Whether it is a recent card; the other one is a Pascal card."""
        self.idle = 0.04 * limit if modern else 8.0
        self.heat = (41 if modern else 50) / limit
        """Degrees above room temperature per watt, in the steady state."""
        self.until = 0.0
        self.fast = self.slow = self.idle
        """Power in watts, averaged with the time constants of chip and cooler."""

    def power(self, load: Load) -> float:
        """Return watts under a load, up to the limit."""
        return min(self.limit - 0.4, self.idle + (self.limit - self.idle) * max(0.0, load.power))

    def warm(self, work: loads.Workload, now: float) -> None:
        """Update the heat from the load up to now, in steps of at most a second."""
        moment = max(self.until, now - WARM)
        while moment < now:
            step = min(1.0, now - moment)
            moment += step
            watts = self.power(work.load(self.index, self.uuid, moment))
            self.fast += (watts - self.fast) * (1 - math.exp(-step / 4))
            self.slow += (watts - self.slow) * (1 - math.exp(-step / 70))
        self.until = now

    def temperature(self) -> float:
        """Return degrees Celsius: a third from the chip, the rest from the cooler."""
        return 29 + self.heat * (0.35 * self.fast + 0.65 * self.slow)

    def fan(self) -> int:
        """Return percent; the fan of a recent card stops while it is cool."""
        over = self.temperature() - 42
        if self.modern and over < 4:
            return 0
        return int(min(100, max(27, 30 + 1.25 * over)))


CARDS = (
    SimulatedGpu(0, "NVIDIA GeForce GTX 1070", 8192, 151.0, (1911, 1847, 4004), False),
    SimulatedGpu(1, "NVIDIA GeForce RTX 4090", 24564, 450.0, (3105, 2640, 10501), True),
    SimulatedGpu(2, "NVIDIA GeForce RTX 3060", 12288, 170.0, (2130, 1807, 7501), True),
)
WORK = loads.Workload(os.environ.get("GPUBOX_DEMO_WORK", ""))


def utilization(card: SimulatedGpu, load: Load, which: int) -> object:
    """Return percent of time in which kernels ran, or memory was read or written."""
    return Entry(gpu=round(100 * load.util), memory=round(load.util * (58 if card.modern else 41)))


def memory(card: SimulatedGpu, load: Load, which: int) -> object:
    """Return bytes; the desktop uses a little of the first card."""
    used = int(min(card.memory, load.memory + (0 if card.modern else 58))) * MIB
    return Entry(total=card.memory * MIB, used=used, free=card.memory * MIB - used)


def clock(card: SimulatedGpu, load: Load, which: int) -> object:
    """Return MHz of the SMs (1) or the memory (2)."""
    _, loaded, memory_most = card.clocks
    if not load.power:
        return 210 if card.modern else 139
    return memory_most - 202 if which == 2 else loaded - 15 * int(max(0.0, card.temperature() - 58) / 3)


def reasons(card: SimulatedGpu, load: Load, which: int) -> object:
    """Return why the clock is below its maximum."""
    return IDLE if not load.power else POWER_CAP if card.power(load) > card.limit - 3 else 0


def processes(card: SimulatedGpu, load: Load, which: int) -> object:
    """Return the processes with the memory of each."""
    now = time.time()
    return [
        Entry(
            pid=pid, usedGpuMemory=int(loads.KINDS[kind](now - began).memory) * MIB, gpuInstanceId=NO_INSTANCE
        )
        for pid, _, kind, began in WORK.on(card.index, card.uuid)
    ]


def busy(card: SimulatedGpu, load: Load, which: int) -> object:
    """Return each process's share of the SMs; raises NVMLError without any process."""
    working = [pid for pid, doing, _, _ in WORK.on(card.index, card.uuid) if doing != "T"]
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
DEVICE: dict[str, Callable[[SimulatedGpu, Load, int], object]] = {
    "UUID": lambda card, load, _: card.uuid,
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
"""Answers of nvmlDeviceGet…, as far as the probe calls it; names, arguments and units as in pynvml."""
REFUSED = (
    "TotalEccErrors",
    "RemappedRows",
    "RetiredPages",
    "MigMode",
    "FieldValues",
    "TotalEnergyConsumption",
)
"""Calls that raise NVMLError_NotSupported."""


def __getattr__(name: str) -> Callable[..., object]:
    if name in SYSTEM:
        return SYSTEM[name]
    what = name.replace("nvmlDeviceGet", "", 1)
    if what not in DEVICE and what not in REFUSED:
        raise AttributeError(name)

    def answer(card: SimulatedGpu, which: object = 0, *_: object) -> object:
        if what in REFUSED:
            raise NVMLError(NOT_SUPPORTED)
        now = time.time()
        WORK.look(now)
        card.warm(WORK, now)
        return DEVICE[what](
            card, WORK.load(card.index, card.uuid, now), which if isinstance(which, int) else 0
        )

    return answer
