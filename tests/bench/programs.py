"""The programs that are measured: ours and its competitors, each given the box in its own way."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.machine import GPUS, PROCESSES, Machine

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / "build" / "peers"
"""Where each competitor gets a virtual environment of its own."""


@dataclass(frozen=True)
class Start:
    """How to start a program."""

    command: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Program:
    """A program that shows the box."""

    name: str
    start: Callable[[Ground], Start]
    package: str = ""
    """What pip installs; empty for ours."""
    mark: str = r"\b{sign}(/\d+)? ?°?C\b"
    """What shows that a temperature was read: a pattern for the screen."""


@dataclass(frozen=True)
class Ground:
    """A laptop's home folder and a network to the box."""

    machine: Machine
    port: int
    """Where the network begins: the box's port as the laptop sees it."""
    home: Path
    boxes: int = 1
    """How many boxes the laptop knows; all are the same one."""
    python: Mapping[str, str] = field(default_factory=dict[str, str])
    """Interpreter of each installed competitor."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a plain login on the laptop."""
        return {"HOME": str(self.home), "PATH": f"{self.home}/bin:/usr/local/bin:/usr/bin:/bin"}


def program() -> list[str]:
    """Return the command of our own program."""
    script = Path(sys.executable).with_name("gpubox-tui")
    return [str(script)] if script.exists() else [sys.executable, "-m", "gpubox"]


def settle(ground: Ground) -> None:
    """Give the laptop its ssh configuration and its boxes.

    ssh takes its configuration from the password database's home, so a wrapper points it here.
    """
    (ground.home / "bin").mkdir(parents=True)
    wrapper = ground.home / "bin" / "ssh"
    real = shutil.which("ssh") or "/usr/bin/ssh"
    wrapper.write_text(
        f'#!/bin/sh\nexec {real} -F {shlex.quote(str(ground.machine.folder))}/ssh_config "$@"\n'
    )
    wrapper.chmod(0o755)
    box = '[[box]]\nname = "box{}"\nhost = "127.0.0.1"\nport = {}\nuser = "{}"\n'
    boxes = (box.format(number + 1, ground.port, ground.machine.user) for number in range(ground.boxes))
    (ground.home / "gpubox.toml").write_text("\n".join(boxes))


def ours(ground: Ground, *words: str) -> Start:
    """Our panel on the first box, or another command of ours."""
    config = str(ground.home / "gpubox.toml")
    return Start([*program(), *(words or ("box1",)), "--config", config], ground.environment)


def ssh(ground: Ground, *words: str) -> Start:
    """Return OpenSSH running a command on the box."""
    way = ["-p", str(ground.port), "-l", ground.machine.user, "127.0.0.1"]
    return Start([str(ground.home / "bin" / "ssh"), *way, *words], ground.environment)


def ours_here(ground: Ground) -> Start:
    """Our panel on the machine it runs on, without ssh."""
    return Start([*program(), "local"], {**ground.machine.environment, **ground.environment})


def nvidb(ground: Ground) -> Start:
    """Write nvidb's configuration and start its monitor of remote servers."""
    server = f'  - hostname: "127.0.0.1"\n    port: {ground.port}\n    username: "{ground.machine.user}"\n'
    key = f'    nickname: "box"\n    auth: "key"\n    identityfile: "{ground.machine.folder}/key"\n'
    (ground.home / "config.yml").write_text(f"basic:\n  compact: false\n\nservers:\n{server}{key}")
    command = [ground.python["nvidb"], "-m", "nvidb", "--remote"]
    return Start(command, {**ground.environment, "NVIDB_HOME": str(ground.home)})


# It always goes through a jump host, and from there to port 22, which cannot be set: that is put right here.
_SSH_GPU_MONITOR = """\
import asyncssh, sys
forward = asyncssh.SSHClientConnection.forward_local_port
async def to_the_box(self, host, port, far_host, far_port, *rest, **more):
    return await forward(self, host, port, "127.0.0.1", {port}, *rest, **more)
asyncssh.SSHClientConnection.forward_local_port = to_the_box
from ssh_gpu_monitor.__main__ import main_entry
sys.exit(main_entry())
"""


def ssh_gpu_monitor(ground: Ground) -> Start:
    """Write ssh-gpu-monitor's configuration and start it at its fastest, once a second."""
    (ground.home / ".ssh").mkdir(exist_ok=True)
    jump = f"Host jump\n    HostName 127.0.0.1\n    Port {ground.port}\n    StrictHostKeyChecking no\n"
    (ground.home / ".ssh" / "config").write_text(jump)
    host_key = (ground.machine.folder / "host_key.pub").read_text()
    (ground.home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{ground.port} {host_key}")
    login = f"username: {ground.machine.user}\n  key_path: {ground.machine.folder}/key\n  jump_host: jump\n"
    config = ground.home / "ssh_gpu_monitor.yaml"
    config.write_text(
        f"ssh:\n  {login}  timeout: 10\ntargets:\n  individual: [{{host: box}}]\n"
        "display: {refresh_rate: 1}\ndebug: {enabled: false}\n"
    )
    shim = ground.home / "start.py"
    shim.write_text(_SSH_GPU_MONITOR.format(port=ground.machine.port))
    command = [ground.python["ssh-gpu-monitor"], str(shim), "--config", str(config)]
    return Start(command, ground.environment)


def nvitop(ground: Ground) -> Start:
    """Start nvitop's monitor, once a second."""
    command = [ground.python["nvitop"], "-m", "nvitop", "--monitor", "full", "--interval", "1"]
    return Start(command, {**ground.machine.environment, **ground.environment})


def gpustat(ground: Ground) -> Start:
    """Start gpustat, once a second."""
    command = [ground.python["gpustat"], "-m", "gpustat", "--interval", "1", "--show-all"]
    return Start(command, {**ground.machine.environment, **ground.environment})


OVER_SSH = (
    Program("gpubox-tui", ours),
    Program("nvidb", nvidb, "nvidb"),
    # It shows no temperature; the stand-in for nvidia-smi tells it as megabytes in use.
    Program("ssh-gpu-monitor", ssh_gpu_monitor, "ssh-gpu-monitor", r"\b8{sign:03}\b"),
)
ON_THE_BOX = (
    Program("gpubox-tui local", ours_here),
    Program("nvitop", nvitop, "nvitop"),
    Program("gpustat", gpustat, "gpustat"),
)


def install(package: str) -> str | None:
    """Return the interpreter that has a competitor, or None when pip cannot install it."""
    folder = INSTALLED / package
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", package]
        if subprocess.run(pip, check=False, stdin=subprocess.DEVNULL).returncode:
            return None
        (folder / "done").touch()
    return str(python)


def nvidia_smi(folder: Path, control: Path) -> Path:
    """Make an nvidia-smi that answers `-q -x` at once, and return its folder.

    Drivers write 17 kB a GPU, most of it the clocks that it supports. The first GPU's temperature comes from
    the file that steers the simulated GPUs; it stands in the megabytes in use.
    """
    clocks = "".join(
        f"\t\t\t\t<supported_graphics_clock>{1980 - 15 * step % 1700} MHz</supported_graphics_clock>\n"
        for step in range(240)
    )
    gpus = "".join(
        f'\t<gpu id="00000000:{index:02x}:00.0">\n\t\t<product_name>NVIDIA H100 80GB HBM3</product_name>\n'
        f"\t\t<utilization><gpu_util>{10 * index} %</gpu_util></utilization>\n"
        f"\t\t<fb_memory_usage><total>81559 MiB</total><used>8{index:03} MiB</used></fb_memory_usage>\n"
        f"\t\t<processes>{_process * (PROCESSES // GPUS + 1)}</processes>\n"
        f"\t\t<supported_clocks>\n{clocks}\t\t</supported_clocks>\n\t</gpu>\n"
        for index in range(GPUS)
    )
    folder.mkdir()
    (folder / "answer.xml").write_text(f'<?xml version="1.0" ?>\n<nvidia_smi_log>\n{gpus}</nvidia_smi_log>\n')
    (folder / "nvidia-smi").write_text(
        f"#!/bin/sh\nread -r line < {shlex.quote(str(control))}\n"
        f"cd {shlex.quote(str(folder))} || exit\n"
        'exec sed "s/<used>8000/<used>8$(printf %03d "${line#*=}")/" answer.xml\n'
    )
    (folder / "nvidia-smi").chmod(0o755)
    return folder


_process = (
    "<process_info><pid>4711</pid><type>C</type><process_name>python train.py</process_name>"
    "<used_memory>1500 MiB</used_memory></process_info>"
)
