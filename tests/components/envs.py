"""Genuine environments for the tests: conda's by py-rattler from a channel made here, and uv."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hang import LIMIT

PINS = Path(__file__).with_name("envs.txt")
"""What is installed; a new line there makes a new environment."""
_CHANNEL = Path(__file__).with_name("make_channel.py")
_PARTS = Path(__file__).parent.parent / ".parts"
_DONE = ".complete"


def _home() -> Path:
    digest = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return _PARTS / f"envs-{digest}"


def program(name: str) -> str:
    """Return a program of the parts; skips the test without them, and fails it with CI=true."""
    home = _home()
    if not (home / _DONE).exists():
        text = "py-rattler and uv are not in tests/.parts (python -m tests.components)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    return str(home / "bin" / name)


def make(folder: Path, envs: Path) -> None:
    """Make the channel in a folder, and the environments tf-gpu and tf-cpu from it; takes 6 seconds."""
    done = subprocess.run(
        [program("python"), str(_CHANNEL), str(folder), str(envs)],
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]


def install() -> int:
    """Install the parts where they are not; returns an exit status, 1 only with CI=true. 15 s, 110 MB."""
    home = _home()
    if (home / _DONE).exists():
        return 0
    print("Installing py-rattler and uv for the tests into tests/.parts", file=sys.stderr)
    for old in (*_PARTS.glob("envs-*"), home):
        shutil.rmtree(old, ignore_errors=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    for step in (
        [sys.executable, "-m", "venv", str(home)],
        [*pip, "install", "--quiet", "--requirement", str(PINS)],
    ):
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stdout[-1000:] + done.stderr[-2000:], file=sys.stderr)
            print("py-rattler and uv are missing: tests that need them cannot run.", file=sys.stderr)
            return 1 if os.environ.get("CI", "").lower() == "true" else 0
    (home / _DONE).touch()
    return 0
