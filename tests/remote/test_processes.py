"""What the probe tells of real processes, hostile ones among them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from gpubox.core.sample import Process, Sample
from gpubox.core.sanitize import clean
from tests.remote.conftest import Machine

Library = Callable[..., Path]
HOSTILE = "\x1b]0;owned\x07\x1b[2J [red]\u202egnp.exe\u2066 \n\r\ud800".encode("utf-8", "surrogatepass")
WAIT = "import sys; print('ready', flush=True); sys.stdin.read()"


@contextmanager
def process(*arguments: str | bytes, **settings: object) -> Generator[int]:
    """Run Python with arguments of ours until the block ends; gives its number."""
    environment = {"PATH": os.environ["PATH"], **{key: str(value) for key, value in settings.items()}}
    child = subprocess.Popen(
        [sys.executable, "-c", WAIT, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert child.stdout
    try:
        assert child.stdout.readline() == b"ready\n"
        yield child.pid
    finally:
        child.communicate()


def on_gpu(sample: Sample) -> list[Process]:
    """The rows of processes on a GPU."""
    return [row for row in sample.processes if row.gpu is not None]


def test_a_process_is_reported_with_everything_that_proc_knows(
    machine: Machine, library: Library, python: str
) -> None:
    machine.gpus(library(), "gtx1070")
    with process("train.py", "--epochs", "3", VIRTUAL_ENV="/home/a/proj/.venv", SECRET="hunter2") as pid:
        machine.processes.write_text(f"{pid} 0 300 C 40\n")
        probe = machine.start(python=python)
        (row,) = on_gpu(probe.sample())
        assert row.pid == pid
        assert row.user
        assert row.name.startswith("python")
        assert row.command.endswith("train.py --epochs 3")
        assert row.memory
        assert row.state == "S"
        assert row.env
        assert abs((row.started or 0) - os.stat(f"/proc/{pid}").st_ctime) < 60
        (later,) = on_gpu(probe.until(lambda sample: on_gpu(sample)[0].cpu is not None))
        assert later.cpu is not None
        assert later.cpu < 50
    assert not any(b"hunter2" in line for line in probe.lines)


def test_a_byte_that_is_no_utf8_is_replaced_in_that_one_field(
    machine: Machine, library: Library, python: str, tmp_path: Path
) -> None:
    machine.gpus(library(), "gtx1070")
    folder = os.fsencode(tmp_path) + b"/na\xe9"
    os.mkdir(folder)
    program = folder + b"/python3 \xff"
    os.symlink(sys.executable, program)
    words = [program, "-c", WAIT, b"na\xefve.py"]
    environment = {"PATH": os.environ["PATH"], "VIRTUAL_ENV": os.fsdecode(folder + b"/\xe9nv")}
    child = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=folder
    )
    try:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        machine.processes.write_text(f"{child.pid} 0 300 C 40\n")
        probe = machine.start(python=python)
        (row,) = on_gpu(probe.sample())
    finally:
        child.communicate()
    assert row.name == "python3 \ufffd"
    assert row.command.endswith("na\ufffdve.py")
    assert row.env == "\ufffdnv"
    assert row.memory


def test_names_of_the_system_that_are_no_utf8_lose_no_sample(machine: Machine, python: str) -> None:
    machine.file("/proc/driver/nvidia/version", "")
    name = r'"lap\udcfctop \U0001f600"'
    probe = machine.start(
        python=python, patch=f"host.os.uname = lambda u=host.os.uname(): type(u)([u[0], {name}, *u[2:]])"
    )
    assert probe.sample().host.hostname == "lap\ufffdtop \U0001f600"


def test_hostile_arguments_come_out_clean(machine: Machine, library: Library, python: str) -> None:
    machine.gpus(library(), "gtx1070")
    with process(HOSTILE, "a" * 100_000) as pid:
        machine.processes.write_text(f"{pid} 0 300 C 40\n")
        probe = machine.start(python=python)
        (row,) = on_gpu(probe.sample())
    assert row.command == clean(row.command)
    assert row.command.isprintable()
    assert "[red]" in row.command
    assert len(row.command) <= 256
    assert len(probe.lines[0]) < 50_000
    assert probe.lines[0].isascii()


def test_a_hostile_name_comes_out_clean(machine: Machine, library: Library, tmp_path: Path) -> None:
    machine.gpus(library(), "gtx1070")
    program = os.fsencode(tmp_path) + b"/) R \x1b[31m\xff"
    os.symlink(os.path.realpath(sys.executable), program)
    child = subprocess.Popen([program, "-c", WAIT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout
    try:
        child.stdout.readline()
        machine.processes.write_text(f"{child.pid} 0 300 C 40\n")
        (row,) = on_gpu(machine.start().sample())
    finally:
        child.communicate()
    assert row.name == clean(row.name)
    assert row.name.isprintable()
    assert row.state in "RSD"


def test_command_lines_stay_on_the_box_when_asked(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "gtx1070")
    with process("--api-key", "hunter2") as pid:
        machine.processes.write_text(f"{pid} 0 300 C 40\n")
        probe = machine.start("interval=0.25", "commands=0")
        (row,) = on_gpu(probe.sample())
    assert row.command == row.name
    assert not any(b"hunter2" in line for line in probe.lines)


def test_a_process_that_cannot_be_seen_keeps_its_number(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "gtx1070", keep_dead=1)
    machine.processes.write_text("4194300 0 300 C 40\n")
    (row,) = on_gpu(machine.start().sample())
    assert (row.pid, row.gpu_memory, row.user, row.command) == (4194300, 300 << 20, "", "")


def test_the_busiest_of_the_host_are_listed_as_many_as_asked(machine: Machine) -> None:
    script = "import sys; print('ready', flush=True)\nwhile True: pass"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert child.stdout
    try:
        child.stdout.readline()
        # The machine that runs this may have busier processes than the child: many are asked for.
        probe = machine.start("interval=0.25", "top=40", patch="processes.ProcessReader.period = 0.5")
        sample = probe.until(lambda sample: any(row.pid == child.pid for row in sample.processes))
    finally:
        child.kill()
        child.communicate()
    (row,) = [row for row in sample.processes if row.pid == child.pid]
    assert row.gpu is None
    few = machine.start("interval=0.25", "top=2", patch="processes.ProcessReader.period = 0.5")
    assert len(few.until(lambda sample: sample.processes).processes) == 2


def test_a_shell_that_becomes_another_program_changes_its_command(machine: Machine, library: Library) -> None:
    machine.gpus(library(), "gtx1070")
    child = subprocess.Popen(
        ["/bin/sh", "-c", "echo ready; read line; exec /bin/sleep 1000"], stdin=-1, stdout=-1
    )
    assert child.stdin
    assert child.stdout
    try:
        child.stdout.readline()
        machine.processes.write_text(f"{child.pid} 0 300 C 40\n")
        probe = machine.start()
        assert on_gpu(probe.sample())[0].command.startswith("/bin/sh")
        child.stdin.write(b"go\n")
        child.stdin.flush()
        row = on_gpu(probe.until(lambda sample: on_gpu(sample)[0].name == "sleep"))[0]
        assert row.command == "/bin/sleep 1000"
    finally:
        child.kill()
        child.communicate()
