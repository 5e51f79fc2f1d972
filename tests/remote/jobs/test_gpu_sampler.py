"""The sampler of a job as a process of its own, with GPUs that a library makes up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

import gpubox.common.throttle as core
from gpubox.core.record import GpuTick, Tick
from tests.hang import LIMIT
from tests.process_tree import children
from tests.remote.conftest import Machine
from tests.remote.jobs.meters import Measured, lay_sampler, measured, waited

Library = Callable[..., Path]
MIB = 1 << 20
FIRST = "GPU-abc00000-fake-4e56-4d4c-000000000000"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sampler as it lies on a box."""
    return lay_sampler(tmp_path_factory.mktemp("sampler"))


@pytest.fixture
def job(machine: Machine, program: Path, tmp_path: Path) -> Iterator[Measured]:
    """A job on a box whose GPUs `machine` tells of."""
    folder = tmp_path / "job"
    folder.mkdir()
    with measured(program, folder, machine.environment) as made:
        yield made


def burn(*more: str) -> list[str]:
    """A command that keeps one core busy."""
    return [sys.executable, "-c", "while True: pass", *more]


def seconds(pid: int) -> float:
    """The processor time of a process, and of its children alive or waited for."""
    spent = 0
    for each in (pid, *children(pid)):
        with suppress(FileNotFoundError, ProcessLookupError):  # a child that has ended meanwhile
            spent += sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return spent / os.sysconf("SC_CLK_TCK")


def measured_seconds(ticks: Sequence[Tick]) -> float:
    """The processor time that samples tell of."""
    return sum(tick.cpu / 100 * tick.width for tick in ticks if tick.cpu is not None)


def gpu(job: Measured) -> GpuTick:
    """The newest reading of the job's GPU, once there is one."""
    return job.until(lambda ticks: [tick.gpus[0] for tick in ticks if tick.gpus])[-1]


def test_a_job_without_gpus_has_its_processes_measured_each_second(
    machine: Machine, program: Path, tmp_path: Path, python: str
) -> None:
    with measured(program, tmp_path, machine.environment, python) as job:
        script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
        job.start(sys.executable, "-c", script)
        (tmp_path / "log").write_bytes(b"x" * 1234)
        job.sample()
        ticks = job.until(lambda ticks: ticks if len(ticks) >= 4 else [])
        assert ticks[3].t > 2.9
        assert sum(tick.width for tick in ticks) == pytest.approx(ticks[-1].t, abs=0.3), "no time is left out"
        assert ticks[3].processes == 2
        assert ticks[3].log == 1234
        waited(lambda: seconds(job.main) > 1)
        spent, so_far = seconds(job.main), len(job.ticks())
        ticks = job.until(lambda ticks: ticks if len(ticks) > so_far + 1 else [])
        assert spent - 0.5 < measured_seconds(ticks) < seconds(job.main) + 0.1
        assert job.end() == 0
        assert ticks[3].rss is not None
        assert ticks[3].rss > 4 * MIB
        assert ticks[3].gpus == ()
        assert not (tmp_path / "gpus.json").exists()
        assert job.errors() == ""


def test_the_last_sample_reports_no_memory_of_processes_that_are_gone(job: Measured) -> None:
    job.start("sleep", "600")
    job.sample()
    assert job.until(lambda ticks: ticks and ticks[-1].rss)
    os.kill(job.main, signal.SIGTERM)
    ticks = job.until(lambda ticks: ticks if ticks and not ticks[-1].processes else [])
    assert ticks[-1].rss is None
    assert all(tick.cpu is None for tick in ticks if tick.width < 0.3)


def test_all_processes_of_a_job_are_found_and_none_of_the_supervisors_own(job: Measured) -> None:
    job.start("sh", "-c", "setsid sleep 60 & (setsid sleep 60 &) ; sleep 60 & wait")
    job.sample()
    assert job.until(lambda ticks: ticks and ticks[-1].processes == 4), "sh and three sleeps, no sampler"


def test_the_time_of_children_that_ended_between_two_samples_is_counted(job: Measured) -> None:
    job.start("sh", "-c", "while true; do timeout 0.3 sh -c 'while :; do :; done'; done")
    job.sample()
    waited(lambda: seconds(job.main) > 2)
    so_far = len(job.ticks())
    assert measured_seconds(job.until(lambda ticks: ticks if len(ticks) > so_far + 1 else [])) > 0.5


def test_a_gpu_is_measured_with_the_memory_of_the_jobs_own_processes(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library(), "h100", 2)
    machine.control.write_text("util.0=83\ntemp.0=71\nmem.0=20000\npower.0=350\nthrottle.0=4\n")
    job.start("sleep", "60")
    machine.processes.write_text(f"{job.main} 0 642 C 40\n{os.getpid()} 0 300 C 5\n{os.getpid()} 1 77 C 5\n")
    job.sample(FIRST)
    seen = gpu(job)
    assert (seen.uuid, seen.util, seen.memory, seen.power) == (FIRST, 83, 642 * MIB, 350)
    assert (seen.temperature, seen.total, seen.throttle) == (71, 20000 * MIB, ("power cap",))
    job.until(lambda ticks: len([tick for tick in ticks if tick.gpus]) >= 3)
    assert job.end() == 0
    (use,) = job.gpus()
    assert (use.index, use.name, use.used, use.inferred) == (0, "NVIDIA H100 80GB HBM3", True, False)
    assert (use.peak_memory, use.max_temperature, use.max_power) == (642 * MIB, 71, 350)
    assert use.mean_util == use.busy_util == 83
    assert use.mean_power == 350
    assert use.energy_by == "counter"
    assert use.energy is not None
    assert 1 < use.throttled["power cap"] < job.ticks()[-1].t + 0.1
    assert len(use.shared) == 1, "the test itself is the stranger"
    assert f"pid {os.getpid()}" in use.shared[0]
    assert b"sums" not in (job.folder / "gpus.json").read_bytes()


def test_gpus_that_somebody_else_gave_to_the_job_are_measured_by_their_numbers(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library(), "h100", 3)
    job.start("sleep", "60")
    job.sample(visible="1,GPU-abc00002")
    (tick, *_) = job.until(lambda ticks: [tick for tick in ticks if tick.gpus])
    assert [gpu.uuid[:12] for gpu in tick.gpus] == ["GPU-abc00001", "GPU-abc00002"]
    job.end()
    assert [(use.index, use.used) for use in job.gpus()] == [(1, False), (2, False)]


def test_a_job_without_a_lease_is_reported_of_the_gpus_it_was_seen_on(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library(), "h100", 3)
    job.start("sleep", "60")
    job.sample()
    job.until(lambda ticks: len(ticks) >= 2)
    machine.processes.write_text(f"{job.main} 2 642 C 40\n")
    (tick, *_) = job.until(lambda ticks: [tick for tick in ticks if tick.gpus])
    assert [gpu.memory for gpu in tick.gpus] == [642 * MIB]
    job.end()
    assert [(use.index, use.used) for use in job.gpus()] == [(2, True)]


def test_a_job_that_may_have_no_gpu_asks_for_none(job: Measured, machine: Machine, library: Library) -> None:
    machine.gpus(library(), "h100")
    job.start("sleep", "60")
    machine.processes.write_text(f"{job.main} 0 642 C 40\n")
    job.sample(visible="")
    assert not any(tick.gpus for tick in job.until(lambda ticks: ticks if len(ticks) >= 3 else []))


def test_energy_is_the_sum_of_power_where_the_card_has_no_counter(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library(), "gtx1070")
    machine.control.write_text("power.0=120\nutil.0=50\n")
    job.start("sleep", "60")
    job.sample(FIRST)
    job.until(lambda ticks: len([tick for tick in ticks if tick.gpus]) >= 3)
    job.end()
    (use,) = job.gpus()
    assert use.energy_by == "power"
    assert use.energy is not None
    assert 120 < use.energy < 120 * (job.ticks()[-1].t + 0.1)
    assert not use.used, "nothing of the job was seen on it"


def test_a_program_that_takes_its_gpu_late_gets_a_sample_at_once(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library())
    job.start("sleep", "60")
    job.sample(FIRST, patch="m.PERIOD = 1000.0; m.Sampler._next_look = lambda self, due: self._now() + 0.2")
    job.until(lambda ticks: len(ticks) == 1)
    machine.processes.write_text(f"{job.main} 0 642 C 40\n")
    job.until(lambda ticks: any(gpu.memory for tick in ticks for gpu in tick.gpus))


def test_a_driver_that_hangs_takes_neither_the_samples_nor_the_end(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library(), delay_fn="nvmlDeviceGetCount_v2=60000000")
    job.start(*burn())
    job.sample(FIRST)
    ticks = job.until(lambda ticks: ticks if len(ticks) >= 3 else [])
    assert ticks[-1].processes == 1
    assert not any(tick.gpus for tick in ticks)
    assert job.end() == 0


def test_processes_with_foreign_numbers_are_taken_for_the_jobs_and_that_is_said(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library(), keep_dead=1)
    job.start("sleep", "60")
    job.sample(FIRST)
    gpu(job)
    machine.processes.write_text("4000001 0 642 C 40\n")
    job.until(lambda ticks: any(gpu.memory for tick in ticks for gpu in tick.gpus))
    job.end()
    (use,) = job.gpus()
    assert (use.used, use.inferred, use.peak_memory, use.shared) == (False, True, 642 * MIB, ())


def test_a_sampler_that_was_killed_is_followed_by_one_that_goes_on(
    job: Measured, machine: Machine, library: Library
) -> None:
    machine.gpus(library())
    job.start("sleep", "60")
    machine.processes.write_text(f"{job.main} 0 642 C 40\n")
    job.sample(FIRST)
    job.until(lambda ticks: ticks and ticks[-1].gpus)
    waited(lambda: job.gpus() and job.gpus()[0].peak_memory)
    assert job.sampler
    job.sampler.kill()
    job.sampler.wait()
    before, lines = job.gpus()[0], len(job.ticks())
    machine.processes.write_text("")
    job.sample(FIRST)
    job.until(lambda ticks: len(ticks) > lines + 1)
    job.end()
    after = job.gpus()[0]
    assert before.peak_memory == after.peak_memory == 642 * MIB
    assert after.used
    assert [tick.t for tick in job.ticks()] == sorted(tick.t for tick in job.ticks())


def test_after_an_hour_samples_are_means_of_ten_seconds(job: Measured) -> None:
    job.start("sleep", "60")
    job.sample(ago=3590.0, patch="m.WIDE = 2.0; m.HOUR = 3592.0")
    ticks = job.until(lambda ticks: ticks if ticks and ticks[-1].t > 3594.5 else [])
    wide = [tick for tick in ticks if tick.t > 3592.5]
    assert wide[0].width >= 1.5
    assert sum(tick.width for tick in ticks[1:]) == pytest.approx(ticks[-1].t - ticks[0].t, abs=0.3)


def test_a_job_whose_supervisor_was_killed_is_measured_until_nothing_of_it_is_left(job: Measured) -> None:
    job.start(*burn())
    job.sample()
    job.until(lambda ticks: len(ticks) >= 2)
    assert job.supervisor
    assert job.sampler
    job.supervisor.kill()
    job.supervisor.wait()
    lines = len(job.ticks())
    assert job.until(lambda ticks: len(ticks) > lines + 1 and ticks[-1].processes == 1)
    os.kill(job.main, signal.SIGKILL)
    assert job.sampler.wait(LIMIT) == 0


def test_what_holds_a_clock_is_named_as_the_panel_names_it(program: Path) -> None:
    script = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from gpubox.remote.jobs import gpu_places as m; "
    )
    script += "print(json.dumps([m.REASONS, m.throttles(0x45), m.throttles(None)]))"
    command = [sys.executable, "-I", "-S", "-c", script, str(program)]
    table, hot, none = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert dict(table) == {reason.bit: reason.short for reason in core.REASONS if reason.short != "idle"}
    assert hot == ["hot (hw)", "power cap"]
    assert none == []
