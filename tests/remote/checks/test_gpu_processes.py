"""Processes that hang in the driver of the GPUs, from /proc."""

from __future__ import annotations

import pytest

from gpubox.remote.checks import gpu_processes
from tests.remote.checks.alone import alone
from tests.remote.checks.trees import Tree

__all__ = ["alone"]


def stat(tree: Tree, pid: int, state: str, flags: int = 0x400000, switches: int = 5) -> None:
    tree.process(pid, "python3", "train.py")
    tree.file(f"/proc/{pid}/stat", f"{pid} (a b) c) {state} 1 1 1 0 -1 {flags} 0 0\n")
    tree.file(f"/proc/{pid}/status", f"Name:\tpython3\nvoluntary_ctxt_switches:\t{switches}\n")
    tree.file(f"/proc/{pid}/wchan", "nv_wait")


def test_processes_that_hang_are_found(alone: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    stat(alone, 88, "D")
    (alone.root / "proc/88/fd/7").symlink_to("/dev/nvidia0")
    stat(alone, 89, "S")
    stat(alone, 90, "D", flags=gpu_processes.KERNEL_THREAD)
    stat(alone, 91, "D")

    def run_on(_: float) -> None:
        stat_of = alone.root / "proc/91/status"
        stat_of.write_text("voluntary_ctxt_switches:\t6\n")

    monkeypatch.setattr("gpubox.remote.checks.gpu_processes.time.sleep", run_on)
    (found,) = gpu_processes.stuck()
    assert (found["pid"], found["name"], found["gpu"], found["place"]) == (88, "python3", True, "nv_wait")
