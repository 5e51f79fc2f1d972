"""Who loads the simulated GPUs: the processes of jobs, as they were given them."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gpubox.demo import simulated
from tests.demo.cards import Cards, wait_for


def worker(work: Path, job: str, gpus: str, *words: str) -> "subprocess.Popen[bytes]":
    """Run a process that belongs to a job."""
    environment = {
        **os.environ,
        "GPUBOX_JOB": job,
        "CUDA_VISIBLE_DEVICES": gpus,
        "GPUBOX_DEMO_WORK": str(work),
    }
    return subprocess.Popen(words, env=environment, start_new_session=True)


IDLE = simulated.CARDS[2].uuid


def pids_on(box: Cards, index: int) -> list[int]:
    """The processes on a card."""
    return [row.pid for row in box.call("nvmlDeviceGetComputeRunningProcesses", index)]  # type: ignore[attr-defined]


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cards:
    """Cards that nobody works on, on the clock of the wall."""
    work = tmp_path / "work.json"
    work.write_text("[]")
    box = Cards(work, monkeypatch)
    box.nvml.__dict__["time"] = time
    return box


def test_a_job_loads_the_gpus_that_it_was_given(nothing: Cards, tmp_path: Path) -> None:
    with worker(tmp_path / "work.json", "a", f"{IDLE},{simulated.CARDS[0].uuid}", "sleep", "300") as job:
        try:
            wait_for(lambda: pids_on(nothing, 2) == [job.pid])
            assert pids_on(nothing, 0) == [job.pid]
            assert pids_on(nothing, 1) == []
            wait_for(lambda: nothing.util(2) > 0 and nothing.used(2) > 2**28)
        finally:
            job.kill()
        job.wait()
        wait_for(lambda: pids_on(nothing, 2) == [])
        assert (nothing.util(2), nothing.used(2)) == (0, 0)


def test_only_one_process_of_a_job_loads_a_gpu_and_a_shell_does_not(nothing: Cards, tmp_path: Path) -> None:
    with worker(tmp_path / "work.json", "a", IDLE, "sh", "-c", "sleep 300 & echo $!; exec 1>&-; wait") as job:
        try:
            wait_for(lambda: len(pids_on(nothing, 2)) == 1 and pids_on(nothing, 2) != [job.pid])
        finally:
            os.killpg(job.pid, signal.SIGKILL)


def test_who_runs_without_a_gpu_or_for_another_box_loads_none(nothing: Cards, tmp_path: Path) -> None:
    with (
        worker(tmp_path / "work.json", "a", "", "sleep", "300") as none,
        worker(tmp_path / "other.json", "b", IDLE, "sleep", "300") as other,
        worker(tmp_path / "work.json", "c", IDLE, "sleep", "300") as job,
    ):
        try:
            wait_for(lambda: pids_on(nothing, 2) == [job.pid])
        finally:
            for process in (none, other, job):
                process.kill()


def test_a_process_that_becomes_a_job_by_exec_is_seen(nothing: Cards, tmp_path: Path) -> None:
    script = f"sleep 0.5; CUDA_VISIBLE_DEVICES={IDLE} exec sleep 300"
    with worker(tmp_path / "work.json", "a", "", "sh", "-c", script) as job:
        try:
            assert pids_on(nothing, 2) == []
            wait_for(lambda: pids_on(nothing, 2) == [job.pid])
        finally:
            os.killpg(job.pid, signal.SIGKILL)
