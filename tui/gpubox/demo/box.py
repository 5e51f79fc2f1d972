"""A box to try: an ssh server inside this program, on loopback, with simulated GPUs and real processes."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gpubox.core.errors import GpuBoxError
from gpubox.core.loopback import LOOPBACK
from gpubox.demo import envs
from gpubox.ssh.host_spec import HostSpec

HERE = Path(__file__).parent


class Work(NamedTuple):
    """A process of the demo box that loads a simulated GPU."""

    script: str
    gpu: int
    kind: str
    """The kind of its load; see demo/simulated.py."""
    age: float
    """Its apparent run time at the start in seconds, so that the GPUs are warm at once."""
    words: tuple[str, ...]
    """Its arguments, for display."""


WORKS = (
    Work("train.py", 1, "training", 754, ("--model", "resnet152", "--batch", "192", "--epochs", "90")),
    Work("sweep.py", 0, "sweep", 412, ("--dataset", "fashion-mnist", "--learning-rate", "3e-4")),
)

# It outlives this program by a second and takes the folder with it; in a session of its own, so that neither
# Ctrl-C nor a closed terminal reaches it. On a normal end the folder is gone before.
# Jobs outlive their launcher, as on any box; here they are found by their environment.
KEEPER = """
while read -r _; do :; done
sleep 1
for _ in 1 2 3; do
    for found in $(grep -lsF "GPUBOX_STATE_DIR=$0/" /proc/[0-9]*/environ); do
        found=${found%/environ}
        kill -KILL "${found#/proc/}"
    done
done 2>/dev/null
rm -rf -- "$0"
"""

CONFIG = """\
# Nothing of the user's own ssh: the demo offers its own key to its own server.
Host *
    IdentityFile "{identity}"
    IdentitiesOnly yes
    IdentityAgent none
    StrictHostKeyChecking yes
    UserKnownHostsFile "{known_hosts}"
    GlobalKnownHostsFile /dev/null
    PreferredAuthentications publickey
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo box while it runs."""

    spec: HostSpec
    """How to log in to it."""
    environment: Mapping[str, str]
    """The environment of its commands."""
    home: Path
    """Its home folder."""
    processes: Mapping[str, int]
    """Pids of its trainings, by script."""


@asynccontextmanager
async def demo_box() -> AsyncGenerator[Demo]:
    """Serve a demo box until the block is left; nothing remains afterwards, even after a kill.

    Raises GpuBoxError when its folder cannot be written or its processes cannot be started.
    """
    root = _folder()
    read_end, write_end = os.pipe()  # its end ends the processes, however this program ends
    keeper: asyncio.subprocess.Process | None = None
    works: list[asyncio.subprocess.Process] = []
    try:
        try:
            keeper = await _keeper(root, read_end)
            home = await asyncio.to_thread(_furnish, root)
            pids: dict[str, int] = {}
            for work in WORKS:
                process = await _work(home, work, read_end)
                works.append(process)
                pids[work.script] = process.pid
            (root / "work.json").write_text(json.dumps(_loads(pids)))
        except OSError as error:
            raise _cannot(error) from error
        finally:
            os.close(read_end)
        async with _served(root, home) as (spec, environment):
            yield Demo(spec, environment, home, pids)
    finally:
        try:
            for process in works:
                _kill(process)
            _clear(root)  # at once: what is awaited may be canceled once more, and then it would stay
            await asyncio.gather(*(process.wait() for process in works))
            if root.exists():
                _clear(root)  # a training made a file there while it was removed
            if keeper and not root.exists():  # else it is the keeper's to remove
                _kill(keeper)
                await keeper.wait()
        finally:
            os.close(write_end)  # after the keeper is gone: it would wait its second in vain


@asynccontextmanager
async def _served(root: Path, home: Path) -> AsyncGenerator[tuple[HostSpec, Mapping[str, str]]]:
    from gpubox.ssh.server import new_key, serve  # asyncssh: 0.3 s that the processes above start in

    private, public = new_key()
    host_private, _ = new_key()
    environment = _environment(root, home)
    async with serve(
        authorized_key=public, host_key=host_private, home=home, environment=environment
    ) as serving:
        identity, known_hosts, config = root / "key", root / "known_hosts", root / "config"
        identity.touch(0o600)
        identity.write_text(private)
        known_hosts.write_text(serving.known_hosts)
        config.write_text(CONFIG.format(identity=identity, known_hosts=known_hosts))
        spec = HostSpec(
            LOOPBACK,
            user=pwd.getpwuid(os.getuid()).pw_name,
            port=serving.port,
            identity=str(identity),
            config_file=config,
            known_hosts=known_hosts,
        )
        yield spec, environment


def _folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="gpubox-demo-"))  # mode 0700
    except OSError as error:
        raise _cannot(error) from error


def _cannot(error: OSError) -> GpuBoxError:
    where = f" ({error.filename})" if error.filename else ""
    return GpuBoxError(
        "The demo box cannot start",
        f"{error.strerror or error}{where}",
        "It needs a folder for temporary files, sh and a Python: set TMPDIR to a disk with room",
    )


def _furnish(root: Path) -> Path:
    """Create the home folder: a project, and environments with this Python."""
    home = root / "home"
    project = home / "project"
    project.mkdir(parents=True)
    for work in WORKS:
        shutil.copyfile(HERE / "train.py", project / work.script)
    for script in ("train.py", "diverge.py"):  # to be run as jobs: those begin in the home
        shutil.copyfile(HERE / "train.py", home / script)
    envs.furnish(home)
    return home


def _programs(home: Path) -> Path:
    return home / "miniconda3" / "envs" / "torch" / "bin"


def _environment(root: Path, home: Path) -> dict[str, str]:
    path = os.environ.get("PATH", os.defpath)
    return {
        "PATH": f"{_programs(home)}{os.pathsep}{path}",
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GPUBOX_NVML_MODULE": str(HERE / "simulated.py"),
        "GPUBOX_DEMO_WORK": str(root / "work.json"),
        "GPUBOX_STATE_DIR": str(root / "state"),
        "GPUBOX_QUEUE_DIR": str(root / "queue"),
    }


def _loads(pids: Mapping[str, int]) -> list[tuple[int, int, str, float]]:
    """Return the works in the form of demo/simulated.py."""
    now = time.time()
    return [(pids[work.script], work.gpu, work.kind, now - work.age) for work in WORKS]


async def _keeper(root: Path, stdin: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        KEEPER,
        str(root),
        cwd="/",
        stdin=stdin,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


def _clear(root: Path) -> None:
    _end_jobs(root)
    shutil.rmtree(root, ignore_errors=True)


def _end_jobs(root: Path) -> None:
    """End the jobs of the demo box with all their processes; see KEEPER."""
    mark = f"GPUBOX_STATE_DIR={root}/".encode()
    for _ in range(3):  # one may have started another meanwhile
        found = [path for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]
        for path in found:
            with suppress(OSError):
                os.kill(int(path.parent.name), signal.SIGKILL)
        if not found:
            return


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended, or is another user's
        return b""


async def _work(home: Path, work: Work, stdin: int) -> asyncio.subprocess.Process:
    """Start a training as a user would: `python train.py …` in its environment."""
    programs = _programs(home)
    environment = {
        "HOME": str(home),
        "PATH": f"{programs}{os.pathsep}{os.defpath}",
        "CONDA_DEFAULT_ENV": "torch",
        "CONDA_PREFIX": str(programs.parent),
        "GPUBOX_DEMO_HELD": "1",
    }
    return await asyncio.create_subprocess_exec(
        "python",
        work.script,
        *work.words,
        executable=str(programs / "python"),
        cwd=home / "project",
        env=environment,
        stdin=stdin,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill a process of ours, even a stopped one."""
    if process.returncode is None:
        process.kill()
