"""Who is on which GPU, as the queue asks before it gives one away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gpubox.core.record import GpuPlace
from gpubox.remote import process_tree
from tests.hang import LIMIT
from tests.remote.conftest import Machine
from tests.remote.jobs.meters import lay_sampler

Library = Callable[..., Path]

_ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from gpubox.remote.jobs import gpu_places
exclude, ignore, jobs = json.loads(sys.argv[2])
try:
    print(json.dumps(gpu_places.places(exclude, ignore, {int(pid): job for pid, job in jobs.items()})))
except gpu_places.NoAnswer as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sampler as it lies on a box."""
    return lay_sampler(tmp_path_factory.mktemp("sampler"))


def asked(
    program: Path,
    machine: Machine,
    *,
    exclude: tuple[str, ...] = (),
    ignore: tuple[tuple[int, int], ...] = (),
    jobs: dict[int, str] | None = None,
    python: str = sys.executable,
) -> list[GpuPlace] | str:
    """Ask once, in a process as the queue does it; a refusal comes as its words."""
    spec = json.dumps([exclude, ignore, jobs or {}])
    done = subprocess.run(
        [python, "-I", "-S", "-c", _ASK, str(program), spec],
        env=machine.environment,
        capture_output=True,
        timeout=LIMIT,
        check=True,
    )
    assert done.stderr == b""
    answer = msgspec.json.decode(done.stdout)
    return answer if isinstance(answer, str) else msgspec.convert(answer, list[GpuPlace])


def places(program: Path, machine: Machine, **more: object) -> list[GpuPlace]:
    """Ask where there is an answer."""
    found = asked(program, machine, **more)  # pyright: ignore[reportArgumentType]
    assert not isinstance(found, str), found
    return found


def test_a_gpu_with_a_stranger_is_not_free_and_says_who_it_is(
    machine: Machine, program: Path, library: Library, python: str
) -> None:
    machine.gpus(library(), "a100", 2)
    machine.processes.write_text(f"{os.getpid()} 0 642 C 0\n")
    busy, free = places(program, machine, python=python)
    assert (busy.index, busy.free, busy.job) == (0, False, "")
    assert f"pid {os.getpid()}, " in busy.strangers[0]
    assert busy.strangers[0].endswith(", 642 MiB)")
    assert (free.index, free.free, free.strangers) == (1, True, ())
    assert free.name == "NVIDIA A100-SXM4-80GB"
    assert free.uuid.startswith("GPU-")


def test_processes_of_our_jobs_are_no_strangers(machine: Machine, program: Path, library: Library) -> None:
    machine.gpus(library())
    machine.processes.write_text(f"{os.getpid()} 0 642 C 0\n")
    (place,) = places(program, machine, jobs={os.getpid(): "20261123-120000-abcd"})
    assert (place.free, place.job, place.strangers) == (False, "20261123-120000-abcd", ())


def test_a_process_that_is_to_be_ignored_leaves_the_gpu_free(
    machine: Machine, program: Path, library: Library
) -> None:
    machine.gpus(library())
    machine.processes.write_text(f"{os.getpid()} 0 642 C 0\n")
    start = process_tree.start_of(os.getpid())
    assert places(program, machine, ignore=((os.getpid(), start),))[0].free
    assert places(program, machine, ignore=((os.getpid(), 0),))[0].free
    assert not places(program, machine, ignore=((os.getpid(), start + 1),))[0].free, "another process"


def test_a_desktop_on_the_gpu_does_not_keep_jobs_away(
    machine: Machine, program: Path, library: Library
) -> None:
    machine.gpus(library(), "rtx4090")
    machine.processes.write_text(
        f"{os.getpid()} 0 900 G 0\n{os.getppid()} 0 60 G 0\n{os.getppid()} 0 60 C 0\n"
    )
    assert places(program, machine)[0].free
    machine.processes.write_text(f"{os.getpid()} 0 900 G 0\n{os.getpid()} 0 900 C 0\n")
    assert not places(program, machine)[0].free, "what computes as much as it draws counts"


def test_a_process_that_cannot_be_seen_from_here_still_keeps_its_gpu(
    machine: Machine, program: Path, library: Library
) -> None:
    machine.gpus(library(), keep_dead=1)
    machine.processes.write_text("4000001 0 642 C 0\n")
    (place,) = places(program, machine)
    assert place.strangers == ("a process out of sight (pid 4000001, 642 MiB)",)


def test_memory_that_nobody_has_keeps_a_gpu_too(machine: Machine, program: Path, library: Library) -> None:
    machine.gpus(library(), "h100")
    machine.control.write_text("mem.0=60000\n")
    (place,) = places(program, machine)
    assert place.strangers == ("processes out of sight (60000 MiB)",)


def test_a_lost_gpu_is_never_free_and_hides_no_other(
    machine: Machine, program: Path, library: Library
) -> None:
    machine.gpus(library(), "h100", 2)
    machine.control.write_text("lost.0=1\n")
    lost, other = places(program, machine)
    assert (lost.free, lost.strangers) == (False, ("GPU is lost",))
    assert other.free


def test_the_slices_of_a_gpu_are_places_of_their_own(
    machine: Machine, program: Path, library: Library
) -> None:
    machine.gpus(library(), "h100", mig="0:3")
    found = places(program, machine)
    assert [place.uuid[:4] for place in found] == ["MIG-"] * 3
    assert {place.index for place in found} == {0}
    assert len({place.uuid for place in found}) == 3


def test_excluded_gpus_are_left_out_by_number_and_by_uuid(
    machine: Machine, program: Path, library: Library
) -> None:
    machine.gpus(library(), "h100", 3)
    uuid = places(program, machine)[0].uuid
    assert [place.index for place in places(program, machine, exclude=(uuid, "2"))] == [1]


def test_a_box_without_gpus_has_no_places(machine: Machine, program: Path) -> None:
    assert asked(program, machine) == []


def test_a_driver_that_will_not_answer_is_reported_in_words(
    machine: Machine, program: Path, library: Library
) -> None:
    machine.gpus(library(), init=18)
    machine.card()
    answer = asked(program, machine)
    assert isinstance(answer, str)
    assert "mismatch" in answer.lower()


def test_a_card_without_a_driver_is_reported_in_words(machine: Machine, program: Path) -> None:
    machine.card()
    assert "No driver is loaded" in str(asked(program, machine))


def test_nvidia_smi_is_asked_where_there_is_no_library(machine: Machine, program: Path) -> None:
    row = "0, GPU-1, Tesla T4, 00000000:00:1E.0, 450.51, 3, 1, 900, 15109, 40, [N/A], 27, P0, 585, 5000"
    machine.smi(
        f'case "$1" in *compute-apps*) echo "GPU-1, {os.getpid()}, 642";; '
        f"*) echo '{row}, 70, 1590, 5001, 0x1, 3, 3, 16, 16, 0, 0, Enabled, Default, No, [N/A]';; esac\n"
    )
    (place,) = places(program, machine)
    assert (place.uuid, place.index, place.name, place.free) == ("GPU-1", 0, "Tesla T4", False)


def test_the_simulated_gpus_of_the_demo_are_places(machine: Machine, program: Path) -> None:
    import gpubox.demo.simulated as simulated

    machine.environment["GPUBOX_NVML_MODULE"] = simulated.__file__
    found = places(program, machine)
    assert [place.name for place in found] == [card.name for card in simulated.CARDS]
    assert len(found) > 1
