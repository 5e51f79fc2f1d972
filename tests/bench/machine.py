"""The box that everything is measured on: a real sshd, eight simulated GPUs and thirty processes on them."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

GPUS, PROCESSES = 8, 30
SIGN = 77
"""Degrees of the first GPU: a number to look for on a screen."""

# What a box has, not what a developer's shell adds: a wrapper around python3 would cost each start 50 ms.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SSHD = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/key.pub
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 200:30:400
MaxSessions 100
SetEnv {variables}
"""
_SSH = """\
Host *
    IdentityFile {folder}/key
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {folder}/known_hosts
    StrictHostKeyChecking no
    LogLevel ERROR
"""


@dataclass(frozen=True)
class Machine:
    """The box, running."""

    folder: Path
    """Keys, the laptop's ssh configuration, and the box's home."""
    port: int
    user: str
    pid: int
    """The process of sshd; everything on the box descends from it."""
    environment: Mapping[str, str]
    """What a program needs to see the simulated GPUs without ssh."""

    @property
    def control(self) -> Path:
        """The file that steers the simulated GPUs."""
        return self.folder / "control"

    def show(self, sign: int) -> None:
        """Set the temperature of the first GPU; readings made from now on hold it."""
        fresh = self.control.with_suffix(".new")
        fresh.write_text(f"temp.0={sign}\n")
        fresh.replace(self.control)


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _keys(folder: Path) -> None:
    for name in ("key", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)


@contextlib.contextmanager
def _load(folder: Path) -> Generator[None]:
    """Run processes for the simulated GPUs to name."""
    sleep = shutil.which("sleep") or "/bin/sleep"
    running = [
        subprocess.Popen([f"python train.py --model resnet152 --seed {number}", "3600"], executable=sleep)
        for number in range(PROCESSES)
    ]
    table = (f"{each.pid} {place % GPUS} {1500 + 40 * place} C {place}" for place, each in enumerate(running))
    (folder / "processes").write_text("\n".join(table) + "\n")
    try:
        yield
    finally:
        for each in running:
            each.kill()
            each.wait()


@asynccontextmanager
async def machine(folder: Path, library: Path, smi: Path | None = None) -> AsyncGenerator[Machine]:
    """Start the box in an empty folder; `library` is the simulated NVML, `smi` a folder with nvidia-smi."""
    home = folder / "home"
    home.mkdir()
    _keys(folder)
    port, user = _port(), getpass.getuser()
    seen = {
        "GPUBOX_NVML_LIB": str(library),
        "LD_LIBRARY_PATH": str(library.parent),
        "FAKE_NVML_GPUS": str(GPUS),
        "FAKE_NVML_MODEL": "h100",
        "FAKE_NVML_PIDS": str(folder / "processes"),
        "FAKE_NVML_CTL": str(folder / "control"),
        "HOME": str(home),
        "GPUBOX_QUEUE_DIR": str(folder / "queue"),
        "PATH": os.pathsep.join(filter(None, [str(smi or ""), _PATH])),
    }
    variables = " ".join(f'"{name}={value}"' for name, value in seen.items())
    (folder / "sshd_config").write_text(_SSHD.format(port=port, folder=folder, variables=variables))
    (folder / "ssh_config").write_text(_SSH.format(folder=folder))
    sshd = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if sshd is None:
        raise FileNotFoundError("sshd (the package openssh-server)")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # Debian makes it only for its own service
    log = folder / "sshd.log"
    process = await asyncio.create_subprocess_exec(
        sshd, "-D", "-e", "-f", folder / "sshd_config", stderr=log.open("wb")
    )
    box = Machine(folder, port, user, process.pid, seen)
    box.show(SIGN)
    try:
        with _load(folder):
            await _listening(port, log)
            yield box
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _listening(port: int, log: Path) -> None:
    for _ in range(500):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)  # sshd has no sign for "it listens"
        else:
            writer.close()
            return
    raise OSError(f"sshd does not listen, see {log}")
