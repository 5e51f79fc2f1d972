"""A genuine torch for the tests, in a virtual environment of its own; only where its wheel lies here already.

A stranger is not asked for a download of 0.5 to 3 GB: pip has to find the wheel without an index, in a
folder that its `find-links` setting names. The small packages that torch needs may come from the index.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PIN = "torch==2.13.0"
_PARTS = Path(__file__).parent.parent / ".parts"
_DONE = ".complete"
_OFFLINE = ("--no-index", "--no-deps", PIN)
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet")


def _home() -> Path:
    digest = hashlib.sha256(f"{PIN} {sys.version}".encode()).hexdigest()[:12]
    return _PARTS / f"torch-{digest}"


def offered() -> bool:
    """Return whether pip finds the wheel on this machine; takes 2 seconds."""
    words = [sys.executable, *_PIP, "--dry-run", "--ignore-installed", *_OFFLINE]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def python() -> str:
    """Return the Python that has torch.

    Skips the test where no wheel lies on this machine; with CI=true it fails where one does, unused.
    """
    home = _home()
    if (home / _DONE).exists():
        return str(home / "bin" / "python")
    if not offered():
        pytest.skip(f"no wheel of {PIN} on this machine (pip install {' '.join(_OFFLINE)} finds none)")
    text = f"{PIN} is not in tests/.parts (python -m tests.components)"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(text, pytrace=False)
    pytest.skip(text)


def install() -> int:
    """Install torch where its wheel is and it is not; returns an exit status, 1 only with CI=true.

    It takes 25 seconds and 760 MB below tests/.parts, and says nothing where there is no wheel.
    """
    home = _home()
    if (home / _DONE).exists() or not offered():
        return 0
    print(f"Installing {PIN} for the tests into tests/.parts", file=sys.stderr)
    for old in (*_PARTS.glob("torch-*"), home):
        shutil.rmtree(old, ignore_errors=True)
    pip = [str(home / "bin" / "python"), *_PIP, "--no-compile"]
    for step in ([sys.executable, "-m", "venv", str(home)], [*pip, *_OFFLINE], [*pip, PIN]):
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(done.stdout[-1000:] + done.stderr[-2000:], file=sys.stderr)
            print(f"{PIN} is missing: the test that needs it cannot run.", file=sys.stderr)
            return 1 if os.environ.get("CI", "").lower() == "true" else 0
    (home / _DONE).touch()
    return 0
