"""A box without Python is read by its own sh, by the real plain.sh."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import pytest

from gpubox.agent.shell_samples import ShellSampleReader
from gpubox.core.sample import Sample
from tests import orphans
from tests.hang import LIMIT
from tests.remote.test_smi import answer, row

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@contextmanager
def plain(folder: Path, shell: str, interval: str = "0.3") -> Generator[subprocess.Popen[bytes]]:
    """Run plain.sh as a box does, with programs of `folder` first."""
    command = ["busybox", "sh"] if shell == "busybox" else [shell]
    process = subprocess.Popen(
        [
            *command,
            "-c",
            'eval "$(cat "$0")"',
            str(resources.files("gpubox.remote").joinpath("plain.sh")),
            interval,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        assert process.stdin
        if not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(LIMIT)
        finally:
            process.kill()
            process.wait()
            orphans.end_session(process.pid)  # an nvidia-smi that hangs outlives what asked it
            for pipe in (process.stdout, process.stderr):
                assert pipe
                pipe.close()


def until(process: subprocess.Popen[bytes], condition: Callable[[Sample], object]) -> Sample:
    """The first sample that meets a condition."""
    assert process.stdout
    reader = ShellSampleReader()
    end = time.monotonic() + LIMIT
    for line in process.stdout:
        sample = reader.feed(line)
        if sample is not None and condition(sample):
            return sample
        assert time.monotonic() < end, "never came"
    raise AssertionError("the plain probe ended")


def program(folder: Path, text: str) -> None:
    """Put an nvidia-smi into a folder."""
    path = folder / "nvidia-smi"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_sh_reads_host_and_gpus(tmp_path: Path, shell: str) -> None:
    program(tmp_path, answer(row()))
    with plain(tmp_path, shell) as process:
        sample = until(
            process, lambda sample: sample.gpus and sample.host.cpu is not None and sample.host.disks
        )
        assert sample.gpus[0].util == 97
        assert sample.driver.source == "nvidia-smi"
        host = sample.host
        assert (host.memory_total or 0) > (host.memory_available or 0) > 0
        assert host.distribution
        assert host.kernel
        assert host.uptime
        assert host.cores
        assert host.boot_id
        assert host.net_receive is not None
        assert any(disk.total > disk.used > 0 for disk in host.disks)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_sh_names_the_processes(tmp_path: Path, shell: str) -> None:
    with subprocess.Popen(["/bin/sleep", "1000"]) as child:
        try:
            program(tmp_path, answer(row(), apps=f"GPU-1, {child.pid}, 300"))
            with plain(tmp_path, shell) as process:
                sample = until(process, lambda sample: sample.processes)
        finally:
            child.kill()
    (found,) = sample.processes
    assert found.pid == child.pid
    assert found.command == "/bin/sleep 1000"
    assert found.user


@pytest.mark.parametrize("shell", SHELLS)
def test_a_backslash_in_a_command_line_makes_no_line_of_its_own(tmp_path: Path, shell: str) -> None:
    with subprocess.Popen(["/bin/sh", "-c", r"sleep 1000; : \n. \nt 9"], start_new_session=True) as child:
        try:
            program(tmp_path, answer(row(), apps=f"GPU-1, {child.pid}, 300"))
            with plain(tmp_path, shell) as process:
                sample = until(process, lambda sample: sample.processes)
        finally:
            subprocess.run(["kill", "--", f"-{child.pid}"], check=True)
    assert r"\n. \nt 9" in sample.processes[0].command


@pytest.mark.parametrize("shell", SHELLS)
def test_a_hanging_nvidia_smi_does_not_stop_the_host(tmp_path: Path, shell: str) -> None:
    program(tmp_path, "exec /bin/sleep 30\n")
    with plain(tmp_path, shell) as process:
        sample = until(process, lambda sample: sample.seq == 6)
        assert sample.gpus == ()
        assert sample.host.cpu is not None


@pytest.mark.parametrize("shell", SHELLS)
def test_nvidia_smi_is_asked_again_and_again(tmp_path: Path, shell: str) -> None:
    counter = tmp_path / "counter"
    counter.write_text("1\n")
    cells = row().split(", ")
    before, after = ", ".join(cells[:5]), ", ".join(cells[6:])
    program(
        tmp_path,
        f"case $* in *compute-apps*) exit;; esac\nread n <{counter}\necho $((n + 1)) >{counter}\n"
        f"echo '{before}, '$n', {after}'\n",
    )
    with plain(tmp_path, shell) as process:
        until(process, lambda sample: sample.gpus and (sample.gpus[0].util or 0) >= 3)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_end_of_its_channel_ends_it(tmp_path: Path, shell: str) -> None:
    with plain(tmp_path, shell, "60") as process:
        assert process.stdin
        assert process.stdout
        while process.stdout.readline() != b".\n":
            pass
        process.stdin.write(b"beat 3\n")
        process.stdin.flush()
        lines = iter(process.stdout.readline, b"")
        assert b'{"pong":3}\n' in lines
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("shell", SHELLS)
def test_a_reader_that_goes_away_ends_it(tmp_path: Path, shell: str) -> None:
    with plain(tmp_path, shell) as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        process.wait(20)
