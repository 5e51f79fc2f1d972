"""The demo box, served for real: over ssh, by the real probe, with real processes."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncssh
import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.spec_parsing import new_id
from gpubox.boxes.processes import ProcessSignals
from gpubox.core.errors import GpuBoxError
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.demo import box as demo_module
from gpubox.demo.box import Demo, demo_box
from gpubox.demo.load import state
from tests.demo.watching import live, sample_with
from tests.hang import LIMIT
from tests.ssh.fakes import settled


async def test_the_first_sample_is_simulated_and_says_so() -> None:
    async def watch(box: Box) -> None:
        sample = await sample_with(box, lambda _: True)
        assert [gpu.name.split()[-1] for gpu in sample.gpus] == ["1070", "4090", "3060"]
        assert all(gpu.simulated for gpu in sample.gpus)
        assert sample.driver.simulated
        assert not sample.faults
        sample = await sample_with(box, lambda sample: sample.host.cpu is not None)
        on_gpus = {
            process.command.split()[1]: process for process in sample.processes if process.gpu is not None
        }
        assert set(on_gpus) == {"train.py", "sweep.py"}
        assert {process.env for process in on_gpus.values()} == {"torch"}
        assert all(process.gpu_memory for process in on_gpus.values())

    await live(watch)


async def test_ending_the_training_lets_the_load_fall() -> None:
    async def watch(box: Box) -> None:
        sample = await sample_with(
            box, lambda sample: any("train.py" in each.command for each in sample.processes)
        )
        process = next(each for each in sample.processes if "train.py" in each.command)
        assert process.gpu == 1
        await box.use(ProcessSignals).send(process, "TERM")
        after = await sample_with(box, lambda sample: not sample.gpus[1].memory_used)
        assert after.gpus[1].util == 0
        assert after.gpus[0].memory_used
        assert state(process.pid) == ""

    await live(watch)


async def connect(demo: Demo, key: str, user: str | None = None) -> None:
    async with asyncssh.connect(
        demo.spec.host,
        demo.spec.port,
        username=user or demo.spec.user,
        client_keys=[key],
        known_hosts=str(demo.spec.known_hosts),
        agent_path=None,
        config=None,
    ) as connection:
        await connection.run("true", check=True)


async def test_only_its_own_key_is_admitted(tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    other.write_private_key(tmp_path / "other")
    async with demo_box() as demo:
        await connect(demo, demo.spec.identity)
        with pytest.raises(asyncssh.PermissionDenied):
            await connect(demo, str(tmp_path / "other"))


async def test_its_folder_and_key_are_private() -> None:
    async with demo_box() as demo:
        root = demo.home.parent
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(demo.spec.identity).st_mode) == 0o600


async def test_nothing_is_left_when_it_ends() -> None:
    async with demo_box() as demo:
        root, pids = demo.home.parent, tuple(demo.processes.values())
        assert all(state(pid) for pid in pids)
    assert not root.exists()
    assert not any(state(pid) for pid in pids)


async def test_nothing_is_left_when_it_ends_in_an_error() -> None:
    roots: list[Path] = []

    async def fail() -> None:
        async with demo_box() as demo:
            roots.append(demo.home.parent)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert not roots[0].exists()


RESTLESS = """\
import itertools, os
for number in itertools.count():
    os.makedirs(f"new/{number}")
"""


async def test_a_training_that_makes_files_to_its_end_leaves_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for path in demo_module.HERE.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "train.py").write_text(RESTLESS)
    monkeypatch.setattr(demo_module, "HERE", tmp_path)
    async with demo_box() as demo:
        root = demo.home.parent
        await settled((demo.home / "project" / "new" / "9").exists)
    assert not root.exists()


LONG = ("sh", "-c", "trap '' TERM HUP; setsid sleep 300 & sleep 300")


async def test_its_jobs_end_with_it() -> None:
    begun: list[int] = []

    async def watch(box: Box) -> None:
        jobs = box.use(Jobs)
        await sample_with(box, lambda _: True)
        running = await jobs.launch(JobSpec(id=new_id(), argv=LONG))
        queued = await jobs.launch(JobSpec(id=new_id(), argv=LONG, gpus=GpuRequest(count=2)))
        assert queued.state == "queued"  # the trainings have all GPUs but one
        for record in (running, queued):
            assert record.folder.startswith(tempfile.gettempdir())
            assert record.supervisor is not None
            begun.append(record.supervisor.pid)
        assert running.main is not None
        begun.append(running.main.pid)

    await live(watch)
    assert len(begun) == 3
    assert not any(state(pid) for pid in begun)


async def test_a_stopped_training_ends_with_it_too() -> None:
    async with demo_box() as demo:
        pid = demo.processes["train.py"]
        os.kill(pid, signal.SIGSTOP)
    assert state(pid) == ""


KILLED = """
import asyncio, json, os, subprocess
from gpubox.demo.box import demo_box
async def main():
    async with demo_box() as demo:
        env = {**os.environ, **demo.environment}
        job = subprocess.Popen(["sleep", "300"], env=env, start_new_session=True)
        print(json.dumps([str(demo.home.parent), job.pid, *demo.processes.values()]), flush=True)
        await asyncio.sleep(300)
asyncio.run(main())
"""


def test_nothing_is_left_when_the_program_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as program:
        assert program.stdout is not None
        root, *pids = json.loads(program.stdout.readline())
        assert Path(root).is_dir()
        program.kill()
    end = time.monotonic() + LIMIT
    while Path(root).exists() or any(state(pid) for pid in pids):
        assert time.monotonic() < end, "the demo outlived its program"
        time.sleep(0.02)


async def test_a_full_disk_is_reported_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device", "/tmp")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(GpuBoxError, match="No space left on device"):
        async with demo_box():
            pass
