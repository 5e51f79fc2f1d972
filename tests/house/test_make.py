"""The Makefile: what it offers, and what it says when something basic is missing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hang import LIMIT
from tests.house import tree

MAKE = shutil.which("make") or "make"
OFFERED = ("help", "demo", "test", "quick", "check", "lint", "bench", "screenshots", "lock", "clean")


def make(folder: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run make in a folder, with nothing in the environment but a search path."""
    environment = {"PATH": path} if path is not None else {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [MAKE, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )


def test_help_names_everything_that_can_be_made() -> None:
    said = make(tree.ROOT, "help")
    assert said.returncode == 0
    assert set(re.findall(r"make (\w+)", said.stdout)) >= set(OFFERED)


def pretend_python(folder: Path, *, version: str, venv: bool) -> None:
    """Put a python3 into a folder that answers only the questions of the Makefile."""
    major, minor = version.split(".")
    old = "exit 1" if (int(major), int(minor)) < (3, 11) else "exit 0"
    answers = (
        "#!/bin/sh\n"
        'case "$2" in\n'
        f'*print*) echo {version} ;;\n*"< (3, 11)"*) {old} ;;\n'
        f"*ensurepip*) exit {0 if venv else 1} ;;\n"
        "*) exit 9 ;;\nesac\n"
    )
    (folder / "python3").write_text(answers)
    (folder / "python3").chmod(0o755)


@pytest.mark.parametrize(
    ("version", "venv", "words"),
    [
        ("3.9", True, ("Python 3.11 or newer is needed", "python3 (3.9)", "make PYTHON=")),
        ("3.12", False, ("python3 has no venv", "apt install python3.12-venv")),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, version: str, venv: bool, words: tuple[str, ...]) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    pretend_python(programs, version=version, venv=venv)
    shutil.copy(tree.ROOT / "Makefile", tmp_path)
    said = make(tmp_path, ".venv/bin/python", path=str(programs))
    assert said.returncode == 2
    for word in words:
        assert word in said.stderr
    assert not (tmp_path / ".venv").exists()


def test_ci_runs_what_a_person_runs() -> None:
    script = (tree.ROOT / ".ci" / "run").read_text()
    assert "exec make --no-print-directory test" in script
    assert "CI=true" in script
