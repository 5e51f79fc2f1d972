"""Programs that a box keeps: sent once, run behind any login shell, from memory where there is no room."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.agent import bundle, program_cache
from gpubox.agent.bundle import Program
from gpubox.agent.program_cache import NoPython
from gpubox.core.errors import RemoteError
from gpubox.core.shell import CommandResult
from tests.boxes.login import cache, login, needs
from tests.boxes.scripted import ScriptedShell, refusing
from tests.remote.running import pythons

MAIN = "gpubox/remote/main.py"
SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
PYTHON = b"""
from __future__ import annotations
import os, sys
from gpubox.remote import other
def main(words):
    print(other.WORD, words, sys.stdin.read(), os.environ.get("ODD"))
    return 7
"""
SH = b"""
request=$(cat)
printf "%s|" "$@" "$request" "${ODD-}" "${#s}"
exit 7
"""
ODD = 'it\'s "$HOME" \\ `x` ! #\u00e9'


def sample(interpreter: str) -> Program:
    """A program that tells what it was given."""
    if interpreter == "sh":
        return Program("sample", {"main.sh": SH}, "main.sh", "sh")
    files = {
        "run.py": bundle.program("files", "gpubox.remote.files").files["run.py"],
        "gpubox/__init__.py": b"",
        "gpubox/remote/__init__.py": b"",
        MAIN: PYTHON,
        "gpubox/remote/other.py": b"WORD = 'both'\n",
    }
    return Program("sample", files, "gpubox.remote.main")


def main_file(interpreter: str) -> str:
    """Its file that says what it was given."""
    return MAIN if interpreter == "python" else "main.sh"


def folders(home: Path) -> list[Path]:
    """The programs that the box has; beside them is noted which Python it has."""
    return [path for path in cache(home).iterdir() if path.is_dir()]


def reported(interpreter: str, request: str, odd: str = ODD, s: int = 0) -> str:
    """What it tells."""
    if interpreter == "sh":
        return f"a=1|-b|{request}|{odd}|{s}|"
    return f"both ['a=1', '-b'] {request} {odd}\n"


class Login(ScriptedShell):
    """Runs commands by a real login shell in a home of its own, and counts what goes over."""

    def __init__(self, home: Path, shell: str = "sh", **environment: str) -> None:
        super().__init__()
        self.home = home
        self.name = shell
        self.environment = environment
        self.sent: list[int] = []

    async def run(self, command: str, *, stdin: bytes = b"", timeout: float = 10.0) -> CommandResult:
        self.commands.append(command)
        self.sent.append(len(stdin))
        async with login(self.home, self.name, command, self.environment) as pipes:
            out, err = await pipes.process.communicate(stdin)
        return CommandResult(pipes.process.returncode, None, out, err)


async def ran(shell: Login, interpreter: str, request: bytes = b"ask", python: str = "") -> CommandResult:
    """Run the sample with an odd environment."""
    given = {"ODD": ODD}
    return await program_cache.run(
        shell, sample(interpreter), "a=1", "-b", stdin=request, python=python, environment=given
    )


@pytest.mark.parametrize("interpreter", ["python", "sh"])
@pytest.mark.parametrize("name", SHELLS)
async def test_it_is_sent_once_behind_every_shell(tmp_path: Path, name: str, interpreter: str) -> None:
    shell = Login(tmp_path, needs(name))
    sizes: list[int] = []
    for _ in range(3):
        before = len(shell.commands)
        result = await ran(shell, interpreter)
        assert (result.status, result.stderr) == (7, b"")
        assert result.stdout.decode() == reported(interpreter, "ask", s=0 if sizes else len(SH.strip()))[
            :None
        ] or (interpreter == "python")
        if interpreter == "python":
            assert result.stdout.decode() == reported(interpreter, "ask")
        sizes.append(len(shell.commands) - before)
    assert sizes == [2, 1, 1]
    assert shell.sent[2:] == [3, 3]
    assert [path.name[:7] for path in folders(tmp_path)] == ["sample-"]
    assert cache(tmp_path).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("interpreter", ["python", "sh"])
async def test_what_rc_files_print_is_passed_over(tmp_path: Path, interpreter: str) -> None:
    (tmp_path / ".zshenv").write_text("echo gpubox-000000000000 HAVE; printf 'no line end'\n")
    shell = Login(tmp_path, needs("zsh"))
    for _ in range(2):
        assert (await ran(shell, interpreter)).stdout.startswith((b"both", b"a=1"))


@pytest.mark.parametrize("python", list(pythons().values()), ids=lambda path: str(path).replace("/", "_"))
async def test_every_python_here_runs_it(tmp_path: Path, python: str) -> None:
    for _ in range(2):
        assert (await ran(Login(tmp_path), "python", python=python)).stdout.decode() == reported(
            "python", "ask"
        )


@pytest.fixture(params=["a file", "no home", "full"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Login]:
    """A login whose home takes nothing."""
    folder = tmp_path / ".cache"
    match request.param:
        case "a file":
            folder.write_text("a file where a folder should be")
            yield Login(tmp_path)
        case "no home":
            yield Login(tmp_path, HOME="")
        case _:
            folder.mkdir()
            words = ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=3", "tmpfs", str(folder)]
            mounted = subprocess.run(words, capture_output=True, check=False)
            if mounted.returncode:
                pytest.skip("no disk can be mounted here: " + mounted.stderr.decode())
            yield Login(tmp_path)
            subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("interpreter", ["python", "sh"])
async def test_where_nothing_can_be_preserved_it_runs_from_memory(shell: Login, interpreter: str) -> None:
    for _ in range(2):
        result = await ran(shell, interpreter)
        assert (result.status, result.stderr) == (7, b"")
        assert result.stdout.decode() == reported(interpreter, "ask", s=len(SH.strip()))
    assert len(shell.commands) == 4
    with pytest.raises(RemoteError, match="keeps no files of ours"):
        await program_cache.ensure(shell, sample(interpreter))


@pytest.mark.parametrize("interpreter", ["python", "sh"])
async def test_a_request_of_many_bytes_comes_over_whole(tmp_path: Path, interpreter: str) -> None:
    request = b"x" * 300_000
    for _ in range(2):
        assert request in (await ran(Login(tmp_path), interpreter, request)).stdout


@pytest.mark.parametrize("interpreter", ["python", "sh"])
async def test_a_folder_that_somebody_tidied_is_laid_down_again(tmp_path: Path, interpreter: str) -> None:
    shell = Login(tmp_path)
    await ran(shell, interpreter)
    (folder,) = folders(tmp_path)
    (folder / main_file(interpreter)).unlink()
    await ran(shell, interpreter)
    await ran(shell, interpreter)
    assert len(shell.commands) == 5
    assert folders(tmp_path) == [folder]


async def test_a_folder_of_somebody_else_is_not_trusted(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    shell = Login(tmp_path)
    await ran(shell, "python")
    (folder,) = folders(tmp_path)
    (folder / MAIN).write_text("print('theirs')")
    os.chown(folder, 12345, 12345)
    assert b"theirs" not in (await ran(shell, "python")).stdout


@pytest.mark.parametrize("interpreter", ["python", "sh"])
async def test_what_nobody_used_for_a_month_goes(tmp_path: Path, interpreter: str) -> None:
    for days in (1, 29, 32, 90):
        (cache(tmp_path) / f"old{days}").mkdir(parents=True)
        then = time.time() - 86400 * days
        os.utime(cache(tmp_path) / f"old{days}", (then, then))
    await ran(Login(tmp_path), interpreter)
    assert {path.name for path in cache(tmp_path).iterdir() if path.name.startswith("old")} == {
        "old1",
        "old29",
    }


@pytest.mark.parametrize("interpreter", ["python", "sh"])
@pytest.mark.parametrize("name", SHELLS)
async def test_its_folder_can_be_had_and_is_young_then(tmp_path: Path, name: str, interpreter: str) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    shell = Login(home, needs(name))
    folder = Path(await program_cache.ensure(shell, sample(interpreter)))
    assert (folder / main_file(interpreter)).read_bytes().strip() in (PYTHON.strip(), SH.strip())
    os.utime(folder, (1_000_000, 1_000_000))
    assert Path(await program_cache.ensure(shell, sample(interpreter))) == folder
    assert time.time() - os.stat(folder).st_mtime < 3600
    assert len(shell.commands) == 4
    line = program_cache.command(sample(interpreter), "gpubox-0", ["-x"])
    assert b"\ngpubox-0 HAVE\n" in (await shell.run(line)).stdout


async def test_a_box_without_python_is_reported_in_words(tmp_path: Path) -> None:
    with pytest.raises(NoPython, match="No Python on the box"):
        await ran(Login(tmp_path), "python", python="/nonexistent/python")


async def test_a_box_that_runs_no_commands_is_reported_in_words() -> None:
    shell = ScriptedShell()
    shell.answer = lambda _: CommandResult(1, None, b"Bye\n", b"x\nThis account is closed\n")
    with pytest.raises(RemoteError, match="This account is closed"):
        await program_cache.run(shell, sample("sh"))
    shell.answer = refusing
    with pytest.raises(RemoteError, match="No channel"):
        await program_cache.run(shell, sample("sh"))


@given(st.text(max_size=5))
def test_only_plain_words_stand_in_a_command(word: str) -> None:
    plain = bool(word) and word.isascii() and all(one.isalnum() or one in "_./:=,@%+-" for one in word)
    if plain:
        assert word in program_cache.command(sample("sh"), "m", [word])
    else:
        with pytest.raises(ValueError, match="not a plain word"):
            program_cache.command(sample("sh"), "m", [word])


def test_variables_that_could_not_be_set_are_refused() -> None:
    for name, value in (("A B", ""), ("A", "x\ny"), ("", "x")):
        with pytest.raises(ValueError, match="not a variable"):
            program_cache.command(sample("sh"), "m", environment={name: value})


def test_half_a_program_does_not_run(tmp_path: Path) -> None:
    for interpreter in ("python", "sh"):
        line = program_cache.sending(
            sample(interpreter), "m", (), sys.executable if interpreter == "python" else "", {}
        )
        done = subprocess.run(
            ["sh", "-c", line], input=b"0000", capture_output=True, env={"HOME": str(tmp_path)}, check=False
        )
        assert done.returncode == 3
    assert not (tmp_path / ".cache").exists()
