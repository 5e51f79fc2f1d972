"""What nvidia-smi says of GPUs, their memory and the processes on them, from drivers of all ages."""

from __future__ import annotations

import pytest

from gpubox.boxes.checks.gpu.facts import GpuProcess, SmiRun
from gpubox.remote.checks import gpu_smi
from tests.remote.checks.alone import alone, script
from tests.remote.checks.test_gpu import CLOSED, OPEN, facts
from tests.remote.checks.trees import Tree

__all__ = ["alone"]

NAME = "NVIDIA GeForce RTX 4090"
ROW = f"{NAME}, 580.95.05, Enabled, P8, 00000000:01:00.0, 9120 MiB"
SMI = f"{ROW}, [N/A], 8.9, 346 MiB, None\n"
HEAD = """
==============NVSMI LOG==============

Timestamp                                 : Sat Nov 28 09:11:41 2026
Driver Version                            : 580.95.05
CUDA Version                              : 13.0

Attached GPUs                             : 1
GPU 00000000:01:00.0
    FB Memory Usage
        Total                             : 24564 MiB
        Reserved                          : 346 MiB
        Used                              : 9118 MiB
        Free                              : 15100 MiB
    BAR1 Memory Usage
        Total                             : 256 MiB
        Used                              : 14 MiB
        Free                              : 242 MiB
    Conf Compute Protected Memory Usage
        Total                             : 0 MiB
        Used                              : 0 MiB
        Free                              : 0 MiB
"""
NONE = "    Processes                             : None\n\n"
PROCESSES = """    Processes
        GPU instance ID                   : N/A
        Compute instance ID               : N/A
        Process ID                        : 1700
            Type                          : G
            Name                          : /usr/lib/xorg/Xorg
            Used GPU Memory               : 47 MiB
        GPU instance ID                   : N/A
        Compute instance ID               : N/A
        Process ID                        : 3402470
            Type                          : M+C
            Name                          : python train.py --token: hunter2
            Used GPU Memory               : 8716 MiB

"""
REFUSES = "echo 'Field \"{0}\" is not a valid field to query.'; echo; exit 2"


def answers(tree: Tree, row: str, log: str, *unknown: str, driver: str = OPEN) -> None:
    """Install an nvidia-smi that does not know some fields."""
    tree.file("/proc/driver/nvidia/version", driver)
    refused = "".join(f"*{field}*) {REFUSES.format(field)};;\n" for field in unknown)
    (tree.programs / "row.txt").write_text(row + "\n")
    (tree.programs / "log.txt").write_text(log)
    script(
        tree,
        "nvidia-smi",
        f'case "$*" in\n{refused}--query-gpu=*) cat {tree.programs}/row.txt;;\n'
        f'"-q -d MEMORY,PIDS") cat {tree.programs}/log.txt;;\n*) exit 2;;\nesac\n',
    )


def test_nvidia_smi_is_asked_over_a_loaded_driver_only(alone: Tree) -> None:
    alone.program("nvidia-smi", SMI)
    assert (facts().smi.ran, facts().smi.gpus) == (False, ())
    alone.file("/proc/driver/nvidia/version", OPEN)
    found = facts().smi
    assert (found.ran, found.status) == (True, 0)
    (row,) = found.gpus
    assert (row.name, row.capability, row.driver) == (NAME, "8.9", "580.95.05")
    assert (row.persistence, row.pstate, row.address) == (True, "P8", "0000:01:00.0")


@pytest.mark.parametrize(
    ("unknown", "cells", "capability", "reserved", "recovery"),
    [
        ((), "[N/A], 8.9, 346 MiB, Reset", "8.9", 346 << 20, "Reset"),
        (("gpu_recovery_action",), "[N/A], 8.9, 346 MiB", "8.9", 346 << 20, ""),
        (("memory.reserved", "gpu_recovery_action"), "Disabled, 8.9", "8.9", None, ""),
        (("compute_cap", "memory.reserved", "gpu_recovery_action"), "Disabled", "", None, ""),
    ],
)
def test_fields_that_a_driver_does_not_know_are_left_out(
    alone: Tree, unknown: tuple[str, ...], cells: str, capability: str, reserved: int | None, recovery: str
) -> None:
    answers(alone, f"{ROW}, {cells}", HEAD + NONE, *unknown)
    (gpu,) = facts().smi.gpus
    assert (gpu.name, gpu.capability, gpu.memory_reserved, gpu.recovery) == (
        NAME, capability, reserved, recovery,
    )  # fmt: skip
    assert gpu.processes == ()


def test_a_driver_that_knows_no_newer_field_is_asked_for_the_old_ones(alone: Tree) -> None:
    row = "Tesla K80, 440.33.01, Disabled, P0, 00000000:05:00.0, 11 MiB"
    log = HEAD.replace("01:00.0", "05:00.0").replace(
        "        Reserved                          : 346 MiB\n", ""
    )
    answers(alone, row, log + NONE, *gpu_smi.NEWER_FIELDS, driver=CLOSED)
    (gpu,) = facts().smi.gpus
    assert (gpu.name, gpu.capability, gpu.persistence, gpu.address) == (
        "Tesla K80", "", False, "0000:05:00.0",
    )  # fmt: skip
    assert (gpu.mig, gpu.recovery, gpu.memory_used, gpu.processes) == (None, "", 11 << 20, ())


@pytest.mark.parametrize(
    ("said", "recovery"),
    [("None", "None"), ("Drain and Reset", "Drain and Reset"), ("[N/A]", ""), ("[Not Supported]", "")],
)
def test_what_the_driver_asks_for_is_read(alone: Tree, said: str, recovery: str) -> None:
    answers(alone, f"{ROW}, Enabled, 8.9, 346 MiB, {said}", HEAD + NONE)
    (gpu,) = facts().smi.gpus
    assert (gpu.recovery, gpu.mig) == (recovery, True)


def test_a_name_with_commas_stays_whole(alone: Tree) -> None:
    answers(alone, SMI.replace("4090", "4090, the second"), "")
    assert facts().smi.gpus[0].name == f"{NAME}, the second"


def test_processes_of_all_kinds_are_read_without_their_arguments(alone: Tree) -> None:
    answers(alone, SMI, HEAD + PROCESSES)
    found = facts()
    assert found.smi.gpus[0].processes == (GpuProcess(1700, "G"), GpuProcess(3402470, "M+C"))
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(
    ("log", "processes"),
    [
        (HEAD + NONE, ()),
        (HEAD + "    Processes\n", ()),  # in a container: of others neither pids nor names are known
        (HEAD + "    Processes                             : N/A\n", None),
        (HEAD, None),
        ("", None),
    ],
)
def test_no_process_is_reported_from_no_list(
    alone: Tree, log: str, processes: tuple[GpuProcess, ...] | None
) -> None:
    answers(alone, SMI, log)
    assert facts().smi.gpus[0].processes == processes


def test_memory_that_was_given_back_between_two_looks_is_not_in_use(alone: Tree) -> None:
    answers(alone, SMI, HEAD + NONE)
    assert facts().smi.gpus[0].memory_used == 9118 << 20
    answers(alone, SMI, HEAD.replace("9118", "2") + NONE)
    assert facts().smi.gpus[0].memory_used == 2 << 20


def test_who_holds_memory_without_a_process_is_looked_for(alone: Tree) -> None:
    for pid, name, device in (
        (812, "python3", "/dev/nvidia-uvm"),
        (1700, "Xorg", "/dev/nvidia0"),
        (813, "python3", "/dev/null"),
        (5, "nvidia-persistenced", "/dev/nvidia-uvm"),
    ):
        alone.process(pid, name)
        (alone.root / f"proc/{pid}/fd/7").symlink_to(device)
    answers(alone, SMI, HEAD + PROCESSES)
    assert facts().holders == ()
    answers(alone, SMI, HEAD + NONE)
    assert [(one.pid, one.name) for one in facts().holders] == [(812, "python3")]
    answers(alone, SMI, HEAD.replace("9118", "2") + NONE)
    assert facts().holders == ()


def test_a_listed_process_is_no_unknown_holder(alone: Tree) -> None:
    alone.process(3402470, "python3")
    (alone.root / "proc/3402470/fd/7").symlink_to("/dev/nvidia-uvm")
    second = SMI.replace("01:00.0", "02:00.0")
    log = HEAD + PROCESSES + HEAD.replace("01:00.0", "02:00.0") + NONE
    answers(alone, SMI + second.strip(), log)
    found = facts()
    assert [gpu.processes == () for gpu in found.smi.gpus] == [False, True]
    assert found.holders == ()


def test_why_nvidia_smi_fails_is_read(alone: Tree) -> None:
    alone.file("/proc/driver/nvidia/version", OPEN)
    script(
        alone,
        "nvidia-smi",
        "echo; echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18\n",
    )
    found = facts().smi
    assert (found.status, found.error) == (18, "Failed to initialize NVML: Driver/library version mismatch")


def test_a_silent_nvidia_smi_costs_its_own_facts_alone(alone: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    alone.file("/proc/driver/nvidia/version", OPEN)
    monkeypatch.setattr(gpu_smi, "SECONDS", 0.05)
    script(alone, "nvidia-smi", "while :; do :; done\n")
    found = facts()
    assert (found.smi.ran, found.smi.status, found.version) == (True, None, "580.95.05")


def test_an_nvidia_smi_that_cannot_list_processes_costs_them_alone(alone: Tree) -> None:
    alone.file("/proc/driver/nvidia/version", OPEN)
    (alone.programs / "row.txt").write_text(SMI)
    script(alone, "nvidia-smi", f'case "$1" in -q) exit 9;; *) cat {alone.programs}/row.txt;; esac\n')
    found = facts().smi
    assert found == SmiRun(found.path, True, 0, found.seconds, "", found.gpus)
    assert (found.gpus[0].processes, found.gpus[0].memory_used) == (None, 9120 << 20)
