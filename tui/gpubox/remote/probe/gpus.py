"""The thread that reads the GPUs, through NVML or nvidia-smi."""

from __future__ import annotations

import ctypes
import os
import threading
import time

from gpubox.common.sample_format import DRIVER_VERSION, given
from gpubox.remote.json_io import error_line
from gpubox.remote.probe import driver
from gpubox.remote.probe.driver import (
    LIBRARY,
    device_nodes,
    find_smi,
    kernel_version,
    load_library,
    mapped_library,
    no_answer,
    pci_devices,
)
from gpubox.remote.probe.nvml import DriverGone, Nvml
from gpubox.remote.probe.nvml_calls import (
    NVML_ERROR_DRIVER_NOT_LOADED,
    NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    NVML_ERROR_NO_PERMISSION,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Dict

    from gpubox.remote.probe.smi import Smi

    Row = Dict[str, object]
    App = Dict[str, object]


class GpuReader:
    """Reads the GPUs in a thread of its own: a hanging driver must not stop the host's readings."""

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
        """Begin a reading and return True; while one is under way, store the lanes for the next."""
        self.pending |= lanes
        self.pcie = pcie
        if self.since is None:
            self.done.clear()
            self.since = time.monotonic()
            self.wake.set()
            return True
        return False

    def result(self, patience: float) -> tuple[list[Row], list[App], Row, list[Row]]:
        """Wait up to `patience` seconds for the reading; return rows, processes, driver and faults."""
        self.done.wait(patience)
        since = self.since
        waited = time.monotonic() - since if since is not None else 0.0
        if waited <= (driver.HANG if self.opened else driver.HANG_START) + 1.5:
            return self.rows, self.apps, self.driver, self.faults
        source = self.nvml.calls if self.nvml else self.smi
        words = "%s has not answered for %d seconds" % (source.doing if source else "The driver", waited)
        keep = ("index", "uuid", "name", "bus", "simulated")
        rows = [{key: row[key] for key in keep if key in row} for row in self.rows]
        rows = [dict(row, fault="The driver does not answer") for row in rows]
        return rows, [], self.driver, [{"code": "hang", "detail": words}]

    def run(self) -> None:
        """Read on each request, forever."""
        while True:
            self.wake.wait()
            self.wake.clear()
            lanes, self.pending = self.pending, set()
            try:
                self.tick(lanes, time.monotonic())
            except Exception as error:  # the boundary of the lane: an unexpected error becomes a fault
                self.faults = [{"code": "error", "detail": "Reading the GPUs: " + error_line(error)}]
            self.since = None
            self.done.set()

    def tick(self, lanes: set[str], now: float) -> None:
        """Open the driver if possible, and read the lanes."""
        if self.nvml is None and now >= self.retry_at and not (self.smi and self.smi.rows):
            self.retry_at = now + driver.RETRY
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
            if "apps" in lanes:  # a new list object tells the probe that it changed
                self.apps = [app for card in self.nvml.cards for app in card.apps]
        elif self.smi is not None:
            self.smi.tick(now)
            self.rows, self.apps, self.faults = self.smi.rows, self.smi.apps, self.smi.faults
            source = "nvidia-smi" if self.smi.rows else "none"
            self.driver = given({"source": source, "version": self.smi.version or kernel_version()})

    def open(self) -> None:
        """Try NVML, then nvidia-smi; errors are in `faults`."""
        self.smi = self.smi if self.smi and self.smi.stuck else None
        tried: list[str] = []
        detail = ""
        module, path = self.stand_in(), ""
        if module is None:
            library, path, detail = load_library(tried)
            if library is None:
                smi = find_smi()
                if smi and self.smi is None:
                    from gpubox.remote.probe.smi import Smi

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
        """Return the fault for an NVML that failed to open."""
        code = nvml.calls.code(error)
        words = nvml.calls.text(error)
        if code == NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            fault = no_answer(tried, mapped_library(), "", words, "mismatch")
            if "library_version" not in fault:
                fault.update(given({"library_version": self.disk_version()}))
            return fault
        if code == NVML_ERROR_NO_PERMISSION:
            return no_answer(tried, nvml.path, "", words, "permission")
        if code == NVML_ERROR_DRIVER_NOT_LOADED:
            nothing = not pci_devices() and not device_nodes() and not kernel_version()
            return no_answer(tried, nvml.path, "", words, "no-device" if nothing else "no-driver")
        return no_answer(tried, nvml.path, "", "%s (NVML %d)" % (words, code), "error")

    def disk_version(self) -> str | None:
        """Return the version of the kernel module on disk, which was installed with the library."""
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
        found = DRIVER_VERSION.search(done.stdout.decode("utf-8", "replace"))
        return found.group(1) if found else None

    def stand_in(self) -> ModuleType | None:
        """Return the module that GPUBOX_NVML_MODULE names, if any."""
        path = os.environ.get("GPUBOX_NVML_MODULE", "")
        if not path:
            return None
        if self.module is None:
            self.module = driver.stand_in(path)
        return self.module

    def pynvml(self, library: ctypes.CDLL) -> ModuleType:
        """Return pynvml, bound to this library."""
        module = self.module
        if module is None:
            import pynvml as module

            self.module = module
        if getattr(module, "nvmlLib", None) is not library:
            module.__dict__["nvmlLib"] = library
            getattr(module, "_nvmlGetFunctionPointer_cache", {}).clear()
        return module
