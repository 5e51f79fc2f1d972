"""The probe comes to a box behind any login shell, noisy or not, with or without room for it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes import ship
from gpubox.boxes.plain import PlainReader
from gpubox.config.settings import Probe
from gpubox.core.decode import decode
from gpubox.core.errors import ConfigError, ProbeError
from gpubox.core.sample import Sample
from gpubox.core.shell import Result
from tests.remote.running import pythons

SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
RC = {"bash": ".bashrc", "zsh": ".zshenv", "fish": ".config/fish/config.fish", "tcsh": ".cshrc"}
"""What each shell reads for a command that comes over ssh; dash reads nothing."""
FAST = Probe(interval=0.5)
LIMIT = 30.0


class Pipes:
    """A channel to a process of this machine."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.written = 0

    async def write(self, data: bytes) -> None:
        assert self.process.stdin
        self.written += len(data)
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def read_line(self, limit: int) -> bytes:
        assert self.process.stdout
        return await self.process.stdout.readline()

    async def read_stderr(self) -> bytes:
        assert self.process.stderr
        return await self.process.stderr.read(4096)

    async def wait(self) -> Result:
        return Result(await self.process.wait(), None, b"", b"")

    async def sample(self) -> Sample:
        """The next sample of the Python probe."""
        async with asyncio.timeout(LIMIT):
            return decode(await self.read_line(1 << 22))


@asynccontextmanager
async def login(home: Path, shell: str, line: str, environment: Mapping[str, str]) -> AsyncGenerator[Pipes]:
    """Run a command line by a login shell in a home, as sshd does."""
    process = await asyncio.create_subprocess_exec(
        shutil.which(shell) or shell,
        "-c",
        line,
        stdin=-1,
        stdout=-1,
        stderr=-1,
        limit=1 << 22,
        cwd=home,
        env={"HOME": str(home), "PATH": f"/usr/bin:/bin:{os.path.dirname(sys.executable)}", **environment},
    )
    pipes = Pipes(process)
    try:
        yield pipes
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), LIMIT)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@asynccontextmanager
async def shipped(
    home: Path, shell: str = "sh", python: str = sys.executable, **environment: str
) -> AsyncGenerator[tuple[Pipes, str]]:
    """Start the probe in a home; gives its channel and which probe it is."""
    mark = "gpubox-" + secrets.token_hex(6)
    line = ship.command(mark, FAST, python)
    async with login(home, shell, line, environment) as pipes:
        yield pipes, await ship.start(pipes, mark)


def cache(home: Path) -> Path:
    """Where the probe is kept."""
    return home / ".cache" / "gpubox"


def needs(shell: str) -> str:
    """A shell by name; the run says what is missing, and fails for it only where everything must be there."""
    if shutil.which(shell) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{shell} is missing: apt-get install {shell}")
        pytest.skip(f"{shell} is missing: apt-get install {shell}")
    return shell


@pytest.mark.parametrize("shell", SHELLS)
async def test_every_shell_starts_it_cold_and_then_warm(tmp_path: Path, shell: str) -> None:
    needs(shell)
    async with shipped(tmp_path, shell) as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).host.hostname
        assert pipes.written == len(ship.payload())
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


async def test_the_compiled_probe_is_kept(tmp_path: Path) -> None:
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
    (folder,) = cache(tmp_path).iterdir()
    assert {path.name for path in folder.iterdir()} >= {
        "gpubox_probe.py",
        "pynvml.py",
        "run.py",
        "__pycache__",
    }
    assert list((folder / "__pycache__").glob("gpubox_probe.*.pyc"))
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
            assert pipes.written == len(ship.payload())


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
        assert pipes.written == len(ship.payload())
    assert [path.name for path in cache(tmp_path).iterdir()] == [folder.name]
    assert (folder / "pynvml.py").is_file()


async def test_three_versions_are_kept(tmp_path: Path) -> None:
    for age in range(5):
        old = cache(tmp_path) / f"old{age}"
        old.mkdir(parents=True)
        (old / "__pycache__").mkdir()
        (old / "__pycache__" / "x.pyc").write_text("")
        os.utime(old, (1_000_000 - age, 1_000_000 - age))
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
    kept = {path.name for path in cache(tmp_path).iterdir()}
    assert len(kept) == 3
    assert {"old0", "old1"} < kept


async def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
    (folder,) = cache(tmp_path).iterdir()
    os.chown(folder, 12345, 12345)
    async with shipped(tmp_path) as (pipes, _):
        await pipes.sample()
        assert pipes.written == len(ship.payload())


async def test_a_python_is_found_without_being_named(tmp_path: Path) -> None:
    async with shipped(tmp_path, python="") as (pipes, kind):
        assert kind == "python"
        assert (await pipes.sample()).probe.python
    (folder,) = cache(tmp_path).iterdir()
    (note,) = folder.glob("python.*")
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
        reader = PlainReader()
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


async def test_a_probe_of_the_plain_kind_quits_when_told(tmp_path: Path) -> None:
    async with shipped(tmp_path, python="/nonexistent/python") as (pipes, _):
        await pipes.write(b"quit\n")
        async with asyncio.timeout(LIMIT):
            while await pipes.read_line(4096):
                pass


async def failed(home: Path, line: str, mark: str = "gpubox-x", shell: str = "sh") -> ProbeError:
    """The error of a start that cannot work."""
    async with login(home, shell, line, {}) as pipes:
        with pytest.raises(ProbeError) as caught:
            await ship.start(pipes, mark)
        if pipes.process.returncode is None:
            pipes.process.kill()
    return caught.value


async def test_an_account_that_may_run_nothing_is_told_in_its_own_words(tmp_path: Path) -> None:
    error = await failed(tmp_path, "echo This account is currently not available.; exit 1")
    assert "This account is currently not available." in error.text
    assert error.hint


async def test_a_box_that_says_nothing_is_told(tmp_path: Path) -> None:
    assert "printed nothing" in (await failed(tmp_path, "exit 0")).text


async def test_what_went_to_stderr_is_told(tmp_path: Path) -> None:
    assert "exec: not found" in (await failed(tmp_path, "echo exec: not found >&2; exit 127")).text


async def test_a_wrong_mark_is_no_mark(tmp_path: Path) -> None:
    assert "gpubox-y HAVE" in (await failed(tmp_path, "echo gpubox-y HAVE")).text


async def test_a_strange_answer_behind_the_mark_is_told(tmp_path: Path) -> None:
    assert "PERHAPS" in (await failed(tmp_path, "echo gpubox-x PERHAPS")).text


async def test_a_box_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ship, "PATIENCE", 0.2)
    error = await failed(tmp_path, "echo hello; read line")
    assert "no answer" in error.text
    assert "hello" in error.text


async def test_endless_noise_is_given_up(tmp_path: Path) -> None:
    assert "1000 lines" in (await failed(tmp_path, "while :; do echo noise || exit; done")).text


async def test_noise_reaches_the_error_clean(tmp_path: Path) -> None:
    error = await failed(tmp_path, r"printf '\033[2J[bold]hostile\n'")
    assert "\x1b" not in error.text


async def test_a_payload_that_is_cut_short_is_told(tmp_path: Path) -> None:
    mark = "gpubox-x"
    async with login(tmp_path, "sh", ship.command(mark, FAST, sys.executable), {}) as pipes:
        while not (await pipes.read_line(4096)).startswith(mark.encode()):
            pass
        await pipes.write(ship.payload()[:1000])
        assert pipes.process.stdin
        pipes.process.stdin.close()
        error = await ship.ended(pipes)
    assert error.status == 3
    assert "while the probe was coming over" in error.text
    assert not cache(tmp_path).exists() or list(cache(tmp_path).iterdir()) == []


@pytest.mark.parametrize("place", [0, 4, 12, 5000])
async def test_a_payload_that_comes_damaged_is_not_run(tmp_path: Path, place: int) -> None:
    mark = "gpubox-x"
    damaged = bytearray(ship.payload())
    damaged[place] ^= 1
    async with login(tmp_path, "sh", ship.command(mark, FAST, sys.executable), {}) as pipes:
        while not (await pipes.read_line(4096)).startswith(mark.encode()):
            pass
        await pipes.write(bytes(damaged) + b"\n" * 10)
        assert pipes.process.stdin
        pipes.process.stdin.close()
        error = await ship.ended(pipes)
    assert error.status in (3, 4)


async def test_the_end_of_a_probe_is_told_in_words(tmp_path: Path) -> None:
    async with login(
        tmp_path, "sh", "echo Traceback >&2; echo gpubox: nobody listens >&2; exit 6", {}
    ) as pipes:
        error = await ship.ended(pipes)
    assert error.again
    assert "gpubox: nobody listens" in error.text


def test_the_line_holds_nothing_that_shells_read_differently() -> None:
    environment = {"GPUBOX_NVML_LIB": '/tmp/it\'s $HOME `x` "y" \\ !z\n'}
    line = ship.command("gpubox-x", Probe(), "/opt/py thon/bin/python3", environment)
    assert "\n" not in line
    assert line.startswith("exec sh -c '")
    assert not set("\\!") & set(line)
    assert line.count("'") == 4
    assert len(line) < 4000


@pytest.mark.parametrize("python", ["/opt/it's/python", "$(reboot)", "`x`", 'a"b', "a\\b", "a!b", "a\nb"])
def test_a_python_that_shells_would_trip_over_is_refused(python: str) -> None:
    with pytest.raises(ConfigError):
        ship.command("gpubox-x", Probe(), python)


async def test_the_environment_reaches_the_probe_whole(tmp_path: Path) -> None:
    library = tmp_path / "it's $HOME `x` !z"
    line = ship.command(
        "gpubox-x", FAST, sys.executable, {"GPUBOX_NVML_LIB": str(library), "GPUBOX_ROOT": "/none"}
    )
    async with login(tmp_path, "sh", line, {}) as pipes:
        await ship.start(pipes, "gpubox-x")
        assert str(library) in (await pipes.sample()).faults[0].looked


async def test_settings_reach_the_probe(tmp_path: Path) -> None:
    line = ship.command("gpubox-x", Probe(interval=7.5, top_processes=1, command_lines=False), sys.executable)
    async with login(tmp_path, "sh", line, {}) as pipes:
        await ship.start(pipes, "gpubox-x")
        sample = await pipes.sample()
    assert sample.interval == 7.5
    assert [row.command == row.name for row in sample.processes if row.gpu is None] == [True]
