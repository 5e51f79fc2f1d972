"""Running `gpubox-tui` in this process and in one of its own."""

import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from gpubox import cli
from tests.hang import LIMIT

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "gpubox")


@dataclass(frozen=True)
class Ran:
    """What a run left behind."""

    status: int
    out: str
    err: str


def here(*words: str) -> Ran:
    """Run in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = cli.run(list(words))
    return Ran(status, out.getvalue(), err.getvalue())


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that runs the program from this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "tui"), **more}


def apart(*words: str, **more: str) -> Ran:
    """Run as a program, without a terminal."""
    done = subprocess.run(
        [*PROGRAM, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(**more),
        timeout=LIMIT,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
