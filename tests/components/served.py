"""Real services for the tests, a Jupyter server and a TensorBoard, in a virtual environment of their own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.components.servers import end

PINS = Path(__file__).with_name("services.txt")
"""What is installed; a new line there makes a new environment."""
_PARTS = Path(__file__).parent.parent / ".parts"
_DONE = ".complete"
_ADVICE = "python -m tests.components"


def _home() -> Path:
    """Return where these pins go for this Python."""
    digest = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return _PARTS / f"services-{digest}"


def python() -> str:
    """Return the Python that has the services; skips the test without it, and fails it with CI=true."""
    home = _home()
    if not (home / _DONE).exists():
        text = f"Jupyter and TensorBoard are not in tests/.parts ({_ADVICE})"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    return str(home / "bin" / "python")


def install() -> int:
    """Install the services where they are not; returns an exit status, 1 only with CI=true.

    It takes 25 seconds and 250 MB below tests/.parts, once for each change of the pins.
    """
    home = _home()
    if (home / _DONE).exists():
        return 0
    print("Installing Jupyter and TensorBoard for the tests into tests/.parts", file=sys.stderr)
    for old in (*_PARTS.glob("services-*"), home):
        shutil.rmtree(old, ignore_errors=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    for step in (
        [sys.executable, "-m", "venv", str(home)],
        [*pip, "install", "--quiet", "--requirement", str(PINS)],
    ):
        done = subprocess.run(step, capture_output=True, text=True)
        if done.returncode != 0:
            print(done.stdout[-1000:] + done.stderr[-2000:], file=sys.stderr)
            print("Jupyter and TensorBoard are missing: tests that need them cannot run.", file=sys.stderr)
            return 1 if os.environ.get("CI", "").lower() == "true" else 0
    (home / _DONE).touch()
    return 0


@asynccontextmanager
async def serving(
    words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a service by its Python in a folder until the block ends; its output goes to `log` there."""
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            python(),
            *words,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        end(process.pid)
        await process.wait()
