"""The real probe and the real pynvml, driven by a library that says what we want."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gpubox.core.sample import Gpu, RemappedRows, Sample
from tests.remote.conftest import Machine

Library = Callable[..., Path]
SLOW_AT_ONCE = "sampler.Schedule.due = lambda self, now: set(self.periods)"
"""Reads every lane at each tick, so that a test need not wait five seconds for a slow one."""


def first(sample: Sample) -> Gpu:
    """The first GPU of a sample."""
    return sample.gpus[0]


def test_every_reading_of_a_server_gpu_arrives(machine: Machine, library: Library, python: str) -> None:
    machine.gpus(library(), "a100")
    machine.control.write_text("util.0=97\ntemp.0=71\nmem.0=40000\npower.0=388\nthrottle.0=4\n")
    sample = machine.start(python=python).sample()
    gpu = first(sample)
    assert (gpu.name, gpu.bus) == ("NVIDIA A100-SXM4-80GB", "00000000:10:00.0")
    assert gpu.uuid.startswith("GPU-abc00000")
    assert (gpu.util, gpu.memory_util, gpu.temperature, gpu.power) == (97, 58, 71, 388)
    assert (gpu.memory_used, gpu.memory_total) == (40000 << 20, 81920 << 20)
    assert (gpu.temperature_slowdown, gpu.temperature_shutdown, gpu.temperature_memory) == (95, 98, 79)
    assert (gpu.power_limit, gpu.pstate, gpu.throttle) == (400, 0, 4)
    assert (gpu.clock_sm_max, gpu.clock_memory, gpu.clock_memory_max) == (1410, 1593, 1593)
    assert (gpu.pcie_gen, gpu.pcie_gen_max, gpu.pcie_width, gpu.pcie_width_max) == (4, 4, 16, 16)
    assert (gpu.encoder, gpu.decoder) == (0, 0)
    assert (gpu.ecc_corrected, gpu.ecc_uncorrected) == (0, 0)
    assert gpu.remapped_rows == RemappedRows()
    assert (gpu.mig, gpu.persistence, gpu.compute_mode, gpu.display_active) == (False, True, "Default", False)
    assert gpu.energy is not None
    assert gpu.fan is None
    assert gpu.missing["fan"] == "Not Supported"
    assert (sample.driver.source, sample.driver.version, sample.driver.cuda) == ("nvml", "580.95.05", "13.0")
    assert sample.faults == ()
    assert not gpu.simulated


@pytest.mark.parametrize("flavor", ["old", "ancient"])
def test_an_old_driver_gives_the_same_by_its_own_calls(
    machine: Machine, library: Library, flavor: str
) -> None:
    machine.gpus(library(flavor), "gtx1070", driver="470.256.02", cuda="11040")
    machine.control.write_text("mem.0=4000\nthrottle.0=32\n")
    machine.processes.write_text(f"{os.getpid()} 0 300 C 40\n")
    sample = machine.start().sample()
    gpu = first(sample)
    assert (gpu.memory_used, gpu.throttle) == (4000 << 20, 32)
    assert sample.driver.version == "470.256.02"
    assert sample.driver.cuda == "11.4"
    (process,) = [process for process in sample.processes if process.gpu == 0]
    assert (process.pid, process.gpu_memory, process.kind) == (os.getpid(), 300 << 20, "C")


def test_drivers_with_the_long_process_entry_are_asked_by_the_older_list(
    machine: Machine, library: Library
) -> None:
    machine.gpus(library(), "rtx4090", driver="535.54.03", fail="nvmlDeviceGetComputeRunningProcesses_v3=999")
    machine.processes.write_text(f"{os.getpid()} 0 300 C 40\n")
    sample = machine.start().sample()
    assert [process.gpu_memory for process in sample.processes if process.gpu == 0] == [300 << 20]


@pytest.mark.parametrize(
    ("model", "absent"),
    [
        ("gtx1070", {"ecc_corrected", "remapped_rows", "energy", "temperature_memory", "retired_pages"}),
        (
            "gt710",
            {"util", "memory_util", "power", "power_limit", "clock_sm", "throttle", "pcie_gen", "encoder"},
        ),
        ("h100", {"fan", "retired_pages"}),
    ],
)
def test_what_a_model_does_not_have_is_missing_with_the_drivers_reason(
    machine: Machine, library: Library, model: str, absent: set[str]
) -> None:
    machine.gpus(library(), model)
    gpu = first(machine.start().sample())
    assert {gpu.missing.get(field) for field in absent} == {"Not Supported"}
    assert {getattr(gpu, field) for field in absent} == {None}
    assert (gpu.memory_total, gpu.temperature) != (None, None)


def test_a_gpu_without_memory_of_its_own_shows_the_hosts(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "gb10")
    sample = machine.start().sample()
    gpu = first(sample)
    assert gpu.unified
    assert gpu.memory_total == sample.host.memory_total
    assert gpu.memory_used is not None
    assert "memory_total" not in gpu.missing


def test_slices_are_listed_with_their_memory_and_processes(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100", mig="0:2")
    machine.processes.write_text(f"{os.getpid()} 0 1000 C 10 2\n")
    sample = machine.start().sample()
    gpu = first(sample)
    assert gpu.mig is True
    assert gpu.util is None
    assert gpu.missing["util"] == "Not Supported"
    assert [(slice_.gpu_instance, slice_.compute_instance) for slice_ in gpu.mig_instances] == [
        (1, 0),
        (2, 0),
    ]
    assert gpu.mig_instances[1].memory_used == 1450 << 20
    assert [process.gpu_instance for process in sample.processes if process.gpu == 0] == [2]


def test_a_user_who_may_not_ask_the_whole_gpu_asks_its_slices(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100", mig="0:2")
    machine.processes.write_text(f"{os.getpid()} 0 1000 C 10 2\n")
    refuse = (
        "read, listed_on = nvml.Apps.read, nvml.Apps.listed_on\n"
        "def remember(self, card, thorough):\n"
        "    self.whole = card.handle\n"
        "    return read(self, card, thorough)\n"
        "def refuse(self, handle, kind):\n"
        "    if handle is self.whole:\n"
        "        raise self.calls.errors[0](4)\n"
        "    return listed_on(self, handle, kind)\n"
        "nvml.Apps.read, nvml.Apps.listed_on = remember, refuse"
    )
    sample = machine.start(patch=f"exec({refuse!r})").sample()
    assert [process.gpu_instance for process in sample.processes if process.gpu == 0] == [2]


def test_pcie_rates_are_read_only_of_the_gpu_that_is_watched(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "rtx4090", 2)
    probe = machine.start()
    assert [gpu.pcie_rx for gpu in probe.sample().gpus] == [None, None]
    probe.send("pcie 1")
    sample = probe.until(lambda sample: sample.gpus[1].pcie_rx)
    assert sample.gpus[0].pcie_rx is None
    assert sample.gpus[1].pcie_tx
    probe.send("pcie off")
    probe.until(lambda sample: sample.gpus[1].pcie_rx is None)


def test_a_process_on_two_gpus_and_of_two_kinds_has_a_row_per_gpu(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "rtx4090", 2)
    me = os.getpid()
    machine.processes.write_text(f"{me} 0 300 C 40\n{me} 0 20 G 40\n{me} 1 500 C 37100\n{me} 1 500 M 5\n")
    rows = [process for process in machine.start().sample().processes if process.gpu is not None]
    assert [(row.gpu, row.kind, row.gpu_memory) for row in rows] == [
        (0, "C+G", 300 << 20),
        (1, "C+M", 500 << 20),
    ]
    assert rows[0].sm == 40
    assert {row.name for row in rows} == {Path(f"/proc/{me}/comm").read_text().strip()}


def test_a_share_over_a_hundred_percent_is_unknown(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "rtx4090")
    machine.processes.write_text(f"{os.getpid()} 0 300 C 37100\n")
    rows = [process for process in machine.start().sample().processes if process.gpu == 0]
    assert [row.sm for row in rows] == [None]


def test_a_stand_in_for_pynvml_is_marked_as_simulated(machine: Machine) -> None:
    module = machine.file(
        "/sim.py",
        "SIMULATED = True\n"
        "class NVMLError(Exception):\n    def __init__(self, value):\n        self.value = value\n"
        "def nvmlInit(): pass\n"
        "def nvmlSystemGetDriverVersion(): return '550.1'\n"
        "def nvmlDeviceGetCount(): return 1\n"
        "def nvmlDeviceGetHandleByIndex(index): return index\n"
        "def nvmlDeviceGetUUID(handle): return 'GPU-sim'\n"
        "def nvmlDeviceGetName(handle): return 'Simulated'\n"
        "def nvmlDeviceGetPowerUsage(handle): return 42000\n",
    )
    sample = machine.start("interval=0.25", f"env:GPUBOX_NVML_MODULE={module}").sample()
    assert sample.driver.simulated
    assert (first(sample).simulated, first(sample).power, first(sample).util) == (True, 42, None)


def test_no_reading_is_ever_zero_for_unknown(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "gt710")
    probe = machine.start()
    probe.sample()
    assert b'"util"' not in probe.lines[0].split(b'"missing"')[0]


def test_impossible_readings_are_missing_with_their_reason(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "rtx4090")
    machine.control.write_text("util.0=4294967295\npower.0=4294967\nfan.0=429496759\ntemp.0=4000\n")
    gpu = first(machine.start(patch=SLOW_AT_ONCE).sample())
    assert (gpu.util, gpu.power, gpu.fan, gpu.temperature) == (None, None, None, None)
    assert gpu.missing["util"] == "Impossible reading: 4294967295"
    assert set(gpu.missing) >= {"util", "power", "fan", "temperature"}
    assert gpu.memory_total
