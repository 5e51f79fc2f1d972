"""The probe on a box where only nvidia-smi is there, in all its moods."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gpubox.common.smi import BASIC, SMI_COLUMNS
from tests.hang import LIMIT
from tests.remote.conftest import Machine

FULL = {
    "index": "0",
    "uuid": "GPU-1",
    "name": "NVIDIA GeForce GTX 1070",
    "pci.bus_id": "00000000:01:00.0",
    "driver_version": "535.183.01",
    "utilization.gpu": "97",
    "utilization.memory": "61",
    "memory.used": "7312",
    "memory.total": "8192",
    "temperature.gpu": "79",
    "fan.speed": "64",
    "power.draw": "148.20",
    "pstate": "P2",
    "clocks.sm": "1835",
    "clocks.mem": "3802",
    "enforced.power.limit": "151.00",
    "clocks_throttle_reasons.active": "0x0000000000000004",
    "ecc.errors.corrected.volatile.total": "[N/A]",
    "ecc.errors.uncorrected.volatile.total": "[N/A]",
    "persistence_mode": "Enabled",
    "compute_mode": "Exclusive_Process",
    "display_active": "Disabled",
    "mig.mode.current": "[N/A]",
}


def row(**changes: str) -> str:
    """A line of nvidia-smi's table; names of columns with `_` for each dot."""
    cells = {**FULL, **{name: value for name, value in changes.items() if name in FULL}}
    for name, value in changes.items():
        cells[next(column for column in dict(cells) if column.replace(".", "_") == name)] = value
    return ", ".join(cells.get(column[0], "1") for column in SMI_COLUMNS)


def answer(*lines: str, apps: str = "", status: int = 0) -> str:
    """A script that prints a table for the GPUs and another for the processes."""
    table = "\n".join(lines)
    return (
        f"case $* in\n*compute-apps*) /bin/cat <<'E'\n{apps}\nE\n;;\n"
        f"*) /bin/cat <<'E'\n{table}\nE\nexit {status};;\nesac\n"
    )


def test_a_box_without_the_library_is_read_through_nvidia_smi(machine: Machine, python: str) -> None:
    machine.smi(answer(row(), row(index="1", uuid="GPU-2"), apps=f"GPU-2, {os.getpid()}, 512"))
    sample = machine.start(python=python).sample()
    assert (sample.driver.source, sample.driver.version) == ("nvidia-smi", "535.183.01")
    one, two = sample.gpus
    assert (one.util, one.memory_used, one.power, one.fan) == (97, 7312 << 20, 148.2, 64)
    assert (one.pstate, one.throttle, one.persistence, one.compute_mode) == (2, 4, True, "Exclusive Process")
    assert (one.display_active, one.mig) == (False, None)
    assert one.missing == {"ecc_corrected": "N/A", "ecc_uncorrected": "N/A"}
    assert (two.index, two.uuid) == (1, "GPU-2")
    (process,) = [process for process in sample.processes if process.gpu is not None]
    assert (process.gpu, process.pid, process.gpu_memory) == (1, os.getpid(), 512 << 20)
    assert sample.faults == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("N/A", "N/A"),
        ("[N/A]", "N/A"),
        ("[Not Supported]", "Not Supported"),
        ("Not Supported", "Not Supported"),
        ("[Unknown Error]", "Unknown Error"),
        ("Unknown Error", "Unknown Error"),
        ("ERR!", "ERR!"),
        ("[Insufficient Permissions]", "Insufficient Permissions"),
        ("[Requested functionality has been deprecated]", "Requested functionality has been deprecated"),
        ("Not Found", "Not Found"),
        ("None", "None"),
        ("", "Not given"),
        ("seventy", "Not a number: seventy"),
        ("nan", "Not a number: nan"),
        ("1e400", "Not a number: 1e400"),
    ],
)
def test_every_way_to_say_nothing_becomes_missing_with_its_reason(
    machine: Machine, text: str, reason: str
) -> None:
    machine.smi(answer(row(power_draw=text)))
    (gpu,) = machine.start().sample().gpus
    assert gpu.power is None
    assert gpu.missing["power"] == reason
    assert gpu.util == 97


@pytest.mark.parametrize("words", ["[GPU is lost]", "GPU is lost", "[GPU requires reset]"])
def test_a_gpu_that_its_row_calls_lost_keeps_only_its_name(machine: Machine, words: str) -> None:
    machine.smi(answer(row(), row(index="1", uuid="GPU-2", power_draw=words)))
    one, two = machine.start().sample().gpus
    assert one.util == 97
    assert two.fault == words.strip("[]")
    assert two.lost_at is not None
    assert (two.util, two.uuid) == (None, "GPU-2")


def test_a_gpu_that_falls_out_of_the_table_keeps_its_row(machine: Machine) -> None:
    machine.smi(answer(row(), row(index="1", uuid="GPU-2", pci_bus_id="00000000:02:00.0")))
    probe = machine.start()
    probe.until(lambda sample: len(sample.gpus) == 2)
    words = "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system"
    machine.smi(answer(row(), words, status=15))
    sample = probe.until(lambda sample: sample.gpus[1].fault)
    assert [gpu.fault for gpu in sample.gpus] == [None, "GPU is lost"]
    assert sample.gpus[1].lost_at is not None
    assert sample.gpus[1].name == "NVIDIA GeForce GTX 1070"
    assert sample.faults == ()


HANDLE = "Unable to determine the device handle for GPU"


@pytest.mark.parametrize(
    ("words", "fault", "util"),
    [
        (f"{HANDLE} 0000:02:00.0: Insufficient External Power", "Insufficient External Power", None),
        (f"{HANDLE}0000:02:00.0: Unknown Error", "Unknown Error", None),
        (f"{HANDLE} 00000000:02:00.0: Not Found", "Not Found", None),
        ("WARNING: infoROM is corrupted at gpu 0000:02:00.0", "infoROM is corrupted", 97),
    ],
)
def test_trouble_of_one_gpu_is_reported_of_that_one_and_the_others_go_on(
    machine: Machine, words: str, fault: str, util: int | None
) -> None:
    two = row(index="1", uuid="GPU-2", pci_bus_id="00000000:02:00.0")
    machine.smi(answer(row(), *([two] if util else []), words))
    sample = machine.start().sample()
    assert sample.faults == ()
    assert [(gpu.index, gpu.util, gpu.fault) for gpu in sample.gpus] == [(0, 97, None), (1, util, fault)]
    assert sample.gpus[1].lost_at is None


def test_a_gpu_that_ends_the_whole_table_does_not_hide_the_others(machine: Machine) -> None:
    for bus in ("0000:01:00.0", "0000:02:00.0"):
        machine.file(f"/proc/driver/nvidia/gpus/{bus}/information", "Model: x\n")
    machine.smi(
        f"case $* in\n*--id=0000:01:00.0*) echo '{row()}';;\n*compute-apps*) ;;\n"
        f"*) echo '{HANDLE} 0000:02:00.0: GPU is lost.  Reboot the system'; exit 15;;\nesac\n"
    )
    sample = machine.start().sample()
    assert [(gpu.util, gpu.fault) for gpu in sample.gpus] == [(97, None), (None, "GPU is lost")]
    assert sample.faults == ()


@pytest.mark.parametrize(
    ("column", "text", "field"),
    [
        ("utilization_gpu", "4294967295", "util"),
        ("fan_speed", "429496759", "fan"),
        ("power_draw", "4294967.29", "power"),
        ("temperature_gpu", "-1000", "temperature"),
        ("memory_used", "17592186044415", "memory_used"),
        ("clocks_sm", "4294967295", "clock_sm"),
        ("clocks_throttle_reasons_active", "0x" + "f" * 40, "throttle"),
    ],
)
def test_an_impossible_reading_is_missing_with_its_reason(
    machine: Machine, column: str, text: str, field: str
) -> None:
    machine.smi(answer(row(**{column: text})))
    (gpu,) = machine.start().sample().gpus
    assert getattr(gpu, field) is None
    assert gpu.missing[field].startswith("Impossible reading: ")
    assert gpu.name


def test_an_old_nvidia_smi_is_asked_for_less(machine: Machine) -> None:
    basic = ", ".join(row().split(", ")[:BASIC])
    machine.smi(
        "case $* in\n*throttle*) echo 'Field \"display_active\" is not a valid field to query.'"
        f"; exit 2;;\n*compute-apps*) ;;\n*) echo '{basic}';;\nesac\n"
    )
    (gpu,) = machine.start().sample().gpus
    assert (gpu.util, gpu.power_limit) == (97, None)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
            "Make sure that the latest NVIDIA driver is installed and running.",
            "no-driver",
        ),
        ("No devices were found", "no-device"),
        ("Failed to initialize NVML: Insufficient Permissions", "permission"),
        ("Failed to initialize NVML: Unknown Error", "error"),
        ("Field compute_cap not found", "error"),
        ("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system.", "no-library"),
        ("", "error"),
    ],
)
def test_what_nvidia_smi_complains_about_becomes_a_fault(machine: Machine, words: str, code: str) -> None:
    machine.smi(f"echo {words!r}; exit 9\n" if "'" not in words else f'echo "{words}"; exit 9\n')
    sample = machine.start().sample()
    (fault,) = sample.faults
    assert fault.code == code
    assert words in fault.detail
    assert fault.detail
    assert sample.driver.source == "none"


def test_a_mismatch_that_nvidia_smi_reports_has_both_versions(machine: Machine) -> None:
    machine.file(
        "/proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05\n"
    )
    machine.smi(
        "echo 'Failed to initialize NVML: Driver/library version mismatch'\n"
        "echo 'NVML library version: 535.183'"
    )
    (fault,) = machine.start().sample().faults
    assert (fault.code, fault.kernel_version, fault.library_version) == ("mismatch", "535.104.05", "535.183")


def test_a_line_with_a_column_too_many_is_no_gpu(machine: Machine) -> None:
    machine.smi(answer(row(), row(index="1") + ", 7"))
    sample = machine.start().sample()
    assert [gpu.index for gpu in sample.gpus] == [0]
    assert sample.faults[0].code == "error"


def test_garbage_from_nvidia_smi_becomes_a_fault_and_nothing_else(machine: Machine) -> None:
    machine.smi("/bin/head -c 20000 /dev/urandom\nprintf '\\033[2J\\033]0;x\\007\\n'\n")
    sample = machine.start().sample()
    assert sample.gpus == ()
    assert sample.faults[0].code == "error"
    assert "\033" not in sample.faults[0].detail
    assert sample.host.memory_total


def test_nvidia_smi_that_prints_without_end_is_cut(machine: Machine) -> None:
    machine.smi("while :; do echo garbage garbage garbage garbage garbage garbage; done\n")
    probe = machine.start()
    sample = probe.until(lambda sample: sample.faults)
    assert sample.faults[0].code == "error"
    assert sample.host.memory_total


def test_nvidia_smi_that_hangs_leaves_the_host_alone_and_is_ended(machine: Machine) -> None:
    note = machine.root / "pid"
    machine.smi(f"echo $$ > {note}; exec /bin/sleep 1000\n")
    probe = machine.start(patch="driver.HANG_START = driver.HANG = 1.2")
    before = probe.sample(answered=False)
    assert before.faults == ()
    assert before.host.memory_total
    sample = probe.until(lambda sample: sample.faults)
    assert sample.faults[0].code == "hang"
    assert sample.host.cpu is not None
    assert sample.seq > 2
    assert not alive(int(note.read_text()))


def alive(pid: int) -> bool:
    """Whether a process is there; waits a little for one that is about to go."""
    end = time.monotonic() + LIMIT
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return Path(f"/proc/{pid}").exists()


def test_nvidia_smi_that_may_not_be_run_is_passed_over(machine: Machine) -> None:
    machine.smi("").chmod(0o644)
    (fault,) = machine.start().sample().faults
    assert fault.code == "no-device"


def test_nvidia_smi_that_is_no_program_is_reported(machine: Machine) -> None:
    program = machine.smi("")
    program.write_bytes(b"\x7fELF broken")
    (fault,) = machine.start().sample().faults
    assert fault.code == "error"
    assert "nvidia-smi" in fault.detail


def test_a_part_with_the_hosts_memory_is_known_by_its_name(machine: Machine) -> None:
    machine.smi(answer(row(name="NVIDIA GB10", memory_used="[N/A]", memory_total="[N/A]")))
    sample = machine.start().sample()
    assert sample.gpus[0].unified
    assert sample.gpus[0].memory_total == sample.host.memory_total
