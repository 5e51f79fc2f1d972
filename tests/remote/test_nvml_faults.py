"""GPUs and drivers that are lost, refuse, hang or are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gpubox.core.sample import Gpu, RemappedRows, Sample
from tests.hang import LIMIT
from tests.remote.conftest import Machine

Library = Callable[..., Path]
SLOW_AT_ONCE = "sampler.Schedule.due = lambda self, now: set(self.periods)"
"""Reads every lane at each tick, so that a test need not wait five seconds for a slow one."""


def first(sample: Sample) -> Gpu:
    """The first GPU of a sample."""
    return sample.gpus[0]


def test_a_gpu_lost_at_the_start_keeps_its_row_and_hides_no_other(
    machine: Machine, library: Library, python: str
) -> None:
    machine.gpus(library(), "h100", 3)
    machine.control.write_text("lost.1=1\n")
    gpus = machine.start(python=python).sample().gpus
    assert [gpu.fault for gpu in gpus] == [None, "GPU is lost", None]
    assert gpus[1].lost_at is not None
    assert (gpus[1].index, gpus[1].util) == (1, None)
    assert gpus[0].util is not None
    assert gpus[2].util is not None


def test_the_kernel_module_names_a_gpu_lost_at_the_start(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100", 2)
    machine.control.write_text("lost.1=1\n")
    machine.file("/proc/driver/nvidia/gpus/0000:10:00.0/information", "Model: \t\t NVIDIA H100\n")
    machine.file(
        "/proc/driver/nvidia/gpus/0000:5e:00.0/information",
        "Model: \t\t NVIDIA H100\nIRQ:   \t\t 77\nGPU UUID: \t GPU-77aa\n",
    )
    lost = machine.start().sample().gpus[1]
    assert (lost.name, lost.uuid, lost.bus) == ("NVIDIA H100", "GPU-77aa", "00000000:5E:00.0")


def test_a_gpu_lost_while_running_keeps_its_name(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100", 2)
    probe = machine.start(patch=SLOW_AT_ONCE)
    whole = probe.sample().gpus[1]
    machine.control.write_text("lost.1=1\n")
    sample = probe.until(lambda sample: sample.gpus[1].lost_at)
    lost = sample.gpus[1]
    assert (lost.fault, lost.uuid, lost.name) == ("GPU is lost", whole.uuid, whole.name)
    assert (lost.util, lost.memory_used, lost.missing) == (None, None, {})
    assert sample.gpus[0].util is not None
    later = probe.sample().gpus[1]
    assert later.lost_at == lost.lost_at
    machine.control.write_text("\n")
    back = probe.until(lambda sample: sample.gpus[1].lost_at is None).gpus[1]
    assert back.fault is None
    assert back.util is not None


def test_a_gpu_that_wants_a_reset_says_so(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100", 2)
    probe = machine.start()
    probe.sample()
    machine.control.write_text("reset.0=1\n")
    assert first(probe.until(lambda sample: first(sample).fault)).fault == "GPU requires reset"


def test_a_mismatch_names_both_versions(machine: Machine, library: Library, python: str) -> None:
    machine.gpus(library(), init=18)
    machine.file(
        "/proc/driver/nvidia/version",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build\nGCC: 12\n",
    )
    sample = machine.start(python=python).sample()
    (fault,) = sample.faults
    assert (fault.code, fault.kernel_version, fault.library_version) == ("mismatch", "550.54.14", "580.95.05")
    assert sample.gpus == ()
    assert sample.host.memory_total


def test_a_library_without_version_in_its_name_is_known_by_the_module_on_disk(
    machine: Machine, library: Library
) -> None:
    machine.gpus(library(), init=18)
    copy = machine.root / "libnvidia-ml.so.1"
    copy.write_bytes(library().read_bytes())
    machine.environment["GPUBOX_NVML_LIB"] = str(copy)
    machine.file("/bin/modinfo", "#!/bin/sh\necho 550.90.07\n").chmod(0o755)
    (fault,) = machine.start().sample().faults
    assert (fault.code, fault.library_version) == ("mismatch", "550.90.07")


def test_a_driver_that_is_not_loaded_is_distinguished_from_no_card(
    machine: Machine, library: Library
) -> None:
    machine.gpus(library(), init=9)
    machine.card()
    (fault,) = machine.start().sample().faults
    assert fault.code == "no-driver"
    assert "0000:01:00.0" in fault.detail


def test_a_library_without_any_card_is_no_device(machine: Machine, library: Library) -> None:
    machine.gpus(library(), init=9)
    (fault,) = machine.start().sample().faults
    assert fault.code == "no-device"


@pytest.mark.parametrize(("answer", "code"), [(4, "permission"), (999, "error")])
def test_what_the_driver_refuses_is_reported(
    machine: Machine, library: Library, answer: int, code: str
) -> None:
    machine.gpus(library(), init=answer)
    (fault,) = machine.start().sample().faults
    assert fault.code == code
    assert fault.detail


def test_a_box_without_anything_says_what_was_looked_at(machine: Machine, python: str) -> None:
    sample = machine.start(python=python).sample()
    (fault,) = sample.faults
    assert fault.code == "no-device"
    assert "/dev/nvidia*" in fault.looked
    assert "nvidia-smi in PATH" in fault.looked
    assert any("libnvidia-ml.so.1" in path for path in fault.looked)
    assert sample.driver.source == "none"
    assert sample.host.hostname


def test_a_card_with_a_driver_but_no_library_is_reported(machine: Machine) -> None:
    machine.card()
    machine.file("/proc/driver/nvidia/version", "Version: x86_64 Kernel Module  535.1.2\n")
    (fault,) = machine.start().sample().faults
    assert (fault.code, fault.kernel_version) == ("no-library", "535.1.2")


def test_a_library_that_is_no_library_is_reported(machine: Machine) -> None:
    machine.card()
    machine.file("/dev/nvidia0", "")
    machine.environment["GPUBOX_NVML_LIB"] = str(machine.file("/lib/libnvidia-ml.so.1", "not an ELF file"))
    (fault,) = machine.start().sample().faults
    assert fault.code == "no-library"
    assert "libnvidia-ml.so.1" in fault.detail


def test_a_driver_that_goes_and_comes_back_is_opened_again(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "rtx4090")
    machine.card()
    probe = machine.start(patch="driver.RETRY = 0.2")
    probe.until(lambda sample: sample.gpus)
    machine.control.write_text("init=9\n")
    gone = probe.until(lambda sample: sample.faults)
    assert gone.faults[0].code == "no-driver"
    assert gone.gpus == ()
    machine.control.write_text("\n")
    assert probe.until(lambda sample: sample.gpus).faults == ()


def test_a_driver_that_never_answers_leaves_the_host_alone(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "rtx4090", delay_fn="nvmlDeviceGetPowerUsage=60000000")
    probe = machine.start(patch="driver.HANG = driver.HANG_START = 0.2")
    before = probe.sample()
    assert before.faults == ()
    hung = probe.until(lambda sample: sample.faults)
    assert hung.faults[0].code == "hang"
    assert "nvmlDeviceGetPowerUsage" in hung.faults[0].detail
    assert hung.host.cpu is not None
    probe.hang_up()
    assert probe.end() == 0


def test_an_xid_is_preserved_with_its_moment(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100", 2)
    probe = machine.start()
    assert first(probe.sample()).xid is None
    machine.control.write_text("xid.1=79\n")
    sample = probe.until(lambda sample: sample.gpus[1].xid)
    assert sample.gpus[1].xid == 79
    assert abs((sample.gpus[1].xid_at or 0) - sample.time) < LIMIT
    assert first(sample).xid is None


def test_faults_of_the_memory_arrive(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "t4,a100", 2)
    machine.control.write_text("ecc.0=2\nretired.0=3\nremapped.1=1\n")
    old, new = machine.start().sample().gpus
    assert (old.ecc_uncorrected, old.retired_pages) == (2, 3)
    assert new.remapped_rows == RemappedRows(correctable=1, uncorrectable=1, pending=True)


def test_one_call_that_fails_takes_only_its_own_field(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100", fail="nvmlDeviceGetPowerUsage=4,nvmlDeviceGetTemperature=999")
    gpu = first(machine.start().sample())
    assert (gpu.power, gpu.missing["power"]) == (None, "Insufficient Permissions")
    assert (gpu.temperature, gpu.util is None) == (None, False)
    assert gpu.missing["temperature"] == "Unknown Error"
