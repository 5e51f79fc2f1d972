"""The probe comes to a box behind any login shell, noisy or not, with or without room for it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.agent import bootstrap
from gpubox.agent.shell_samples import ShellSampleReader
from tests.boxes.login import cache, needs, shipped
from tests.hang import LIMIT
from tests.remote.running import pythons

SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
RC = {"bash": ".bashrc", "zsh": ".zshenv", "fish": ".config/fish/config.fish", "tcsh": ".cshrc"}
"""What each shell reads for a command that comes over ssh; dash reads nothing."""


@pytest.mark.parametrize("shell", SHELLS)
async def test_every_shell_starts_it_cold_and_then_warm(tmp_path: Path, shell: str) -> None:
    needs(shell)
    async with shipped(tmp_path, shell) as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).host.hostname
        assert pipes.written == len(bootstrap.payload())
    async with shipped(tmp_path, shell) as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).seq == 1
        assert pipes.written == 0
    assert pipes.process.returncode == 0


@pytest.mark.parametrize("shell", sorted(RC))
async def test_what_rc_files_print_is_passed_over(tmp_path: Path, shell: str) -> None:
    needs(shell)
    rc = tmp_path / RC[shell]
    rc.parent.mkdir(parents=True, exist_ok=True)
    # The last line has no end, so that the mark would not begin a line of its own by itself.
    rc.write_text("echo '{\"v\": 1, \"seq\": 99}'\necho NEED gpubox HAVE\nprintf 'no line end'\n")
    # bash reads .bashrc without a terminal only when it believes to run under sshd.
    async with shipped(tmp_path, shell, SSH_CLIENT="127.0.0.1 1 22", SHLVL="0") as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).seq == 1


async def test_the_compiled_probe_is_preserved(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
    (folder,) = cache(tmp_path).iterdir()
    assert {path.name for path in folder.iterdir()} >= {"gpubox", "pynvml.py", "run.py"}
    assert list((folder / "gpubox" / "remote" / "probe" / "__pycache__").glob("main.*.pyc"))
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("python", list(pythons().values()), ids=lambda path: str(path).replace("/", "_"))
async def test_every_python_here_runs_it(tmp_path: Path, python: str) -> None:
    for _ in range(2):
        async with shipped(tmp_path, python=python) as (pipes, kind):
            assert kind == "python"
            assert (await pipes.sample()).probe.python


async def test_a_home_that_cannot_be_written_gets_it_in_memory(tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("a file where a folder should be")
    for _ in range(2):
        async with shipped(tmp_path) as (pipes, kind):
            assert kind == "python"
            assert (await pipes.sample()).seq == 1
            assert pipes.written == len(bootstrap.payload())


async def test_without_a_home_it_runs_from_memory(tmp_path: Path) -> None:
    async with shipped(tmp_path, HOME="") as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).seq == 1


async def test_from_memory_it_drives_nvml_too(tmp_path: Path) -> None:
    (tmp_path / ".cache").write_text("")
    (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    async with shipped(tmp_path, GPUBOX_ROOT=str(tmp_path)) as (pipes, _):
        assert (await pipes.sample()).faults[0].code == "no-device"


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A home whose cache lies on a disk too small for the probe."""
    disk = tmp_path / ".cache"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here: " + mounted.stderr.decode())
    yield tmp_path
    subprocess.run(["umount", str(disk)], check=True)


async def test_a_full_disk_gets_it_in_memory_and_leaves_no_rest(full: Path) -> None:
    async with shipped(full) as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).seq == 1
    assert list((cache(full)).iterdir()) == []


async def test_a_cache_that_somebody_tidied_is_laid_down_again(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
    (folder,) = cache(tmp_path).iterdir()
    (folder / "pynvml.py").unlink()
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
        assert pipes.written == len(bootstrap.payload())
    assert [path.name for path in cache(tmp_path).iterdir()] == [folder.name]
    assert (folder / "pynvml.py").is_file()


async def test_versions_that_nobody_used_for_a_month_go(tmp_path: Path) -> None:
    for days in (1, 29, 31, 90):
        old = cache(tmp_path) / f"old{days}"
        (old / "__pycache__").mkdir(parents=True)
        (old / "__pycache__" / "x.pyc").write_text("")
        then = time.time() - 86400 * days
        os.utime(old, (then, then))
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
    saved = {path.name for path in cache(tmp_path).iterdir() if path.name.startswith("old")}
    assert saved == {"old1", "old29"}


async def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
    (folder,) = cache(tmp_path).iterdir()
    os.chown(folder, 12345, 12345)
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
        assert pipes.written == len(bootstrap.payload())


async def test_a_python_is_found_without_being_named(tmp_path: Path) -> None:
    async with shipped(tmp_path, python="") as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).probe.python
    (note,) = cache(tmp_path).glob("python.*")
    assert os.access(note.read_text().strip(), os.X_OK)


async def test_a_python_of_the_home_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "my env").mkdir()
    (tmp_path / "my env" / "python").symlink_to(sys.executable)
    async with shipped(tmp_path, python="~/my env/python") as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).seq == 1


async def test_a_box_without_python_gets_the_plain_probe(tmp_path: Path) -> None:
    async with shipped(tmp_path, python="/nonexistent/python") as (pipes, kind):
        assert kind == "sh"
        reader = ShellSampleReader()
        sample = None
        async with asyncio.timeout(LIMIT):
            while sample is None:
                sample = reader.feed(await pipes.read_line(4096))
        assert sample.host.hostname == os.uname().nodename


async def test_the_plain_probe_ends_with_its_channel_and_answers_beats(tmp_path: Path) -> None:
    async with shipped(tmp_path, python="/nonexistent/python") as (pipes, _):
        await pipes.write(b"beat 5\n")
        async with asyncio.timeout(LIMIT):
            while await pipes.read_line(4096) != b'{"pong":5}\n':
                pass
    assert pipes.process.returncode == 0


async def test_a_probe_of_the_plain_kind_quits_when_reported(tmp_path: Path) -> None:
    async with shipped(tmp_path, python="/nonexistent/python") as (pipes, _):
        await pipes.write(b"quit\n")
        async with asyncio.timeout(LIMIT):
            while await pipes.read_line(4096):
                pass
