"""Signals: only what was meant is hit, and every answer is reported in words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.boxes import processes
from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext
from gpubox.boxes.processes import SIGNALS, ProcessSignals, check, command
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.sample import Process
from gpubox.core.shell import CommandResult
from gpubox.core.target import Target
from gpubox.local.shell import LocalShell
from tests.boxes.conftest import Open
from tests.boxes.scripted import ScriptedLink, refusing, until
from tests.hang import LIMIT

SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh", "tcsh", "fish", "busybox") if shutil.which(shell)]


def started(pid: int) -> float:
    """When a process of this machine started, in seconds since the epoch."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/stat", encoding="utf-8") as file:
        boot = next(int(line.split()[1]) for line in file if line.startswith("btime"))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose name would mislead a careless reader of /proc."""
    program = "import time; open('/proc/self/comm', 'w').write('a) Z 1 ('); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def seen(pid: int, shift: float = 0.0) -> Process:
    return Process(pid=pid, name="train.py", user="ada", started=started(pid) + shift)


@pytest.mark.parametrize("name", list(SIGNALS))
async def test_each_signal_of_the_list_arrives(victim: subprocess.Popen[bytes], name: str) -> None:
    await processes.signal(LocalShell(), seen(victim.pid, 0.4), name)
    if name in ("TERM", "INT", "HUP", "KILL"):
        assert victim.wait(10) != 0
    else:
        assert victim.poll() is None


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_works_in_every_login_shell(victim: subprocess.Popen[bytes], shell: str) -> None:
    process = seen(victim.pid)
    words = [shell, "sh"] if shell == "busybox" else [shell]
    line = [*words, "-c", command(process, "TERM")]
    done = subprocess.run(line, capture_output=True, timeout=LIMIT, check=False)
    check(process, "TERM", CommandResult(done.returncode, None, done.stdout, done.stderr))
    assert victim.wait(10) == -15


async def test_a_reused_pid_is_never_hit(victim: subprocess.Popen[bytes]) -> None:
    for shift in (-100.0, 100.0):
        with pytest.raises(RemoteError, match="Not the same process"):
            await processes.signal(LocalShell(), seen(victim.pid, shift), "KILL")
    assert victim.poll() is None


async def test_an_ended_process_is_reported_as_gone(victim: subprocess.Popen[bytes]) -> None:
    process = seen(victim.pid)
    victim.kill()
    victim.wait()
    with pytest.raises(RemoteError, match="Already gone"):
        await processes.signal(LocalShell(), process, "TERM")


async def test_a_zombie_is_reported_as_ended() -> None:
    with subprocess.Popen(["true"]) as child:  # noqa: ASYNC220  # asyncio would collect it
        stat = Path(f"/proc/{child.pid}/stat")
        await until(lambda: ") Z " in stat.read_text("utf-8"))
        with pytest.raises(RemoteError, match="Already ended"):
            await processes.signal(LocalShell(), seen(child.pid), "TERM")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"failed sh: 1: kill: Operation not permitted", "Not allowed. train.py (7) belongs to ada"),
        (b"failed sh: 1: kill: No such process", "Already gone"),
        (b"failed kill: something \x1b[31mnew", "did not reach train.py (7): kill: something \ufffd[31mnew"),
        (b"other", "its number belongs to another one now"),
        (b"gone", "or the box hides it"),
        (b"no-proc", "no /proc"),
    ],
)
def test_every_answer_is_reported_in_words(answer: bytes, words: str) -> None:
    process = Process(pid=7, name="train.py", user="ada", started=5.0)
    result = CommandResult(0, None, b"Welcome to xub!\ngpubox-signal: " + answer + b"\n", b"")
    with pytest.raises(RemoteError) as caught:
        check(process, "TERM", result)
    assert words in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_no_answer_is_reported_with_the_last_words_of_the_shell() -> None:
    process = Process(pid=7, started=5.0)
    with pytest.raises(RemoteError, match="process 7: This account is not available") as caught:
        check(process, "TERM", CommandResult(1, None, b"hello\n", b"x\nThis account is not available\n"))
    assert caught.value.status == 1
    check(process, "TERM", CommandResult(0, None, b"noise\ngpubox-signal: sent\n", b""))


@pytest.mark.parametrize("name", ["", "term", "SIGTERM", "9", "TERM; rm -rf /", "SEGV"])
def test_only_signals_of_the_list_are_sent(name: str) -> None:
    with pytest.raises(RemoteError, match="No such signal"):
        command(Process(pid=7, started=5.0), name)


@pytest.mark.parametrize(("pid", "started"), [(7, None), (1, 5.0), (0, 5.0), (-1, 5.0)])
def test_what_cannot_be_reported_from_another_is_left_alone(pid: int, started: float | None) -> None:
    with pytest.raises(RemoteError, match="Not signaled"):
        command(Process(pid=pid, started=started), "TERM")


async def test_a_box_signals_over_its_own_shell(opened: Open) -> None:
    process = Process(pid=7, name="train.py", started=5.0)
    async with opened() as (box, shell):
        shell.answer = lambda _: CommandResult(0, None, b"gpubox-signal: sent\n", b"")
        await box.use(ProcessSignals).send(process, "TERM")
        assert shell.commands == [command(process, "TERM")]
        shell.answer = refusing
        with pytest.raises(RemoteError, match="No channel"):
            await box.use(ProcessSignals).send(process, "TERM")


async def test_a_box_that_is_not_connected_says_so() -> None:
    box = Box(BoxContext(Target("xub", "ssh")), ScriptedLink())
    with pytest.raises(Dropped, match="Not connected"):
        await box.use(ProcessSignals).send(Process(pid=7, started=5.0), "TERM")
