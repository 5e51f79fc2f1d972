"""A real Slurm of one node, in a folder of its own: without root, systemd and munge."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components.accounts import accounting
from tests.components.parts import program
from tests.components.servers import free_port, shim
from tests.hang import LIMIT
from tests.remote.jobs.box import alive

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={node}
{plugins}AuthType=auth/none
CredType=cred/none
{accounts}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
InactiveLimit=0
MinJobAge={age}
KillWait={kill}
Waittime=0
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=1000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=short Nodes=ALL MaxTime=10 State=UP
"""


@dataclass(frozen=True, slots=True)
class SlurmTest:
    """A running Slurm."""

    folder: Path
    environment: Mapping[str, str]
    """What its commands need."""

    def run(self, *command: str) -> str:
        """Run one of its commands and return what it prints."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pid(self, daemon: str) -> int:
        """Return the process of slurmctld or slurmd; 0 when there is none."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / f"{daemon}.pid").read_text())
        return 0

    def begin(self, daemon: str, *options: str) -> None:
        """Start one of its daemons."""
        more = ["-d", _daemon(self.folder, "slurmstepd")] if daemon == "slurmd" else []
        # Else each job waits for up to a second to be looked at, which no setting changes.
        haste = {"LD_PRELOAD": str(shim()), "GPUBOX_TEST_HASTE": "1"} if daemon == "slurmctld" else {}
        subprocess.run(
            [_daemon(self.folder, daemon), *more, *options],
            env={**os.environ, **self.environment, **haste},
            check=True,
            timeout=LIMIT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def end(self, daemon: str, *, at_once: bool = False) -> None:
        """End one of its daemons and wait until it is gone; `at_once` it writes nothing down before."""
        pid = self.pid(daemon)
        for number in (signal.SIGTERM, signal.SIGKILL)[at_once:]:
            end = time.monotonic() + 5
            with contextlib.suppress(ProcessLookupError):
                while pid and alive(pid) and time.monotonic() < end:
                    os.kill(pid, number)
                    time.sleep(0.02)

    def forget(self) -> None:
        """Let it forget all of its jobs, as a controller does whose state is lost."""
        self.end("slurmctld", at_once=True)
        self.begin("slurmctld", "-c")
        _idle(self)


def _daemon(folder: Path, name: str) -> str:
    """Return a daemon under its plain name.

    A daemon decides what it is by its own name: Debian's slurmctld-wlm drops its GPUs without a word.
    """
    link = folder / "bin" / name
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        path = Path(program(name)) if name != "slurmstepd" else Path(program("slurmd")).with_name(name)
        stepd = shutil.which("slurmstepd", path="/usr/sbin:/usr/lib/slurm:/usr/lib/slurm-wlm")
        link.symlink_to(stepd or path if name == "slurmstepd" else path)
    return str(link)


@contextmanager
def slurm(
    folder: Path, *, gpus: int = 1, age: int = 300, kill: int = 2, accounts: bool = False
) -> Generator[SlurmTest]:
    """Run Slurm with so many GPUs that are none, and with `accounts` what sacct asks.

    `age` is for how many seconds it remembers a job, `kill` how many a job may take to end.
    """
    for name in ("sbatch", "slurmctld", "slurmd"):
        program(name)
    (folder / "state").mkdir(parents=True, mode=0o700)
    for number in range(gpus):  # a device of gres must be a character device; a link to one will do
        (folder / f"nvidia{number}").symlink_to("/dev/null")
    found = [path for path in Path("/usr/lib").glob("*/slurm-wlm") if path.is_dir()]
    plugins = f"PluginDir={found[0]}\n" if found else ""
    with ExitStack() as stack:
        lines = "AccountingStorageType=accounting_storage/none"
        if accounts:
            lines = stack.enter_context(accounting(folder / "accounts", plugins))
        yield from _run(folder, gpus, age, kill, plugins, lines)


def _run(folder: Path, gpus: int, age: int, kill: int, plugins: str, accounts: str) -> Generator[SlurmTest]:
    text = _CONFIGURATION.format(
        host=socket.gethostname().partition(".")[0],
        user=pwd.getpwuid(os.getuid()).pw_name,
        controller=free_port(),
        node=free_port(),
        plugins=plugins,
        accounts=accounts,
        folder=folder,
        gpus=gpus,
        age=age,
        kill=kill,
    )
    (folder / "slurm.conf").write_text(text)
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/nvidia[0-{gpus - 1}]\n")
    (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
    made = SlurmTest(folder, {"SLURM_CONF": str(folder / "slurm.conf")})
    try:
        made.begin("slurmctld")
        made.begin("slurmd")
        _idle(made)
        yield made
    finally:
        _close(made)


def _idle(made: SlurmTest) -> None:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            if set(made.run("sinfo", "-h", "-N", "-o", "%T").split()) == {"idle"}:
                return
        time.sleep(0.03)
    raise AssertionError("\n".join(path.read_text()[-1500:] for path in made.folder.glob("*.log")))


def _close(made: SlurmTest) -> None:
    """Cancel what runs, or its steps would outlive the daemons; then end those."""
    with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
        made.run("scancel", "-u", pwd.getpwuid(os.getuid()).pw_name)
        end = time.monotonic() + 15
        while made.run("squeue", "-h", "-o", "%i").strip() and time.monotonic() < end:
            time.sleep(0.03)
    for daemon in ("slurmd", "slurmctld"):
        made.end(daemon, at_once=True)
