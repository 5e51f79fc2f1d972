"""A job as the sampler sees it: a supervisor that does nothing but be the parent, and what it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from gpubox.core.record import GpuUse, Tick
from tests import orphans
from tests.hang import LIMIT
from tests.remote.bundles import lay

T = TypeVar("T")
MAIN = "gpubox.remote.jobs.gpu_sampler"

# A child subreaper that starts the job in a session of its own, tells its pid, and ends with its stdin.
_SUPERVISOR = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
job = subprocess.Popen(sys.argv[1:], start_new_session=True, stdin=subprocess.DEVNULL)
print(job.pid, flush=True)
sys.stdin.read()
"""


def lay_sampler(folder: Path) -> Path:
    """Put the sampler and what it needs into a folder, as they lie on a box."""
    return lay(folder, MAIN)


def waited(condition: Callable[[], T]) -> T:
    """Return what a condition gives once it is something; fail after LIMIT."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


class Measured:
    """A job with its sampler."""

    def __init__(self, program: Path, folder: Path, environment: Mapping[str, str], python: str) -> None:
        self.program, self.folder, self.environment, self.python = program, folder, environment, python
        self.main = 0
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.sampler: subprocess.Popen[bytes] | None = None
        self.started = 0.0

    def start(self, *command: str) -> None:
        """Start the job."""
        self.started = time.time()
        self.supervisor = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISOR, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.supervisor.stdout
        self.main = int(self.supervisor.stdout.readline())

    def sample(self, *uuids: str, visible: str | None = None, ago: float = 0.0, patch: str = "") -> None:
        """Start the sampler; `ago` makes the job older by so many seconds."""
        assert self.supervisor
        command = [self.python, "-I", "-S", str(self.program / "run.py"), MAIN, "sample"]
        if patch:
            script = f"import sys; sys.path.insert(0, {str(self.program)!r}); import {MAIN} as m; {patch}; "
            command = [self.python, "-I", "-S", "-c", script + "m.main(['sample'])"]
        with (self.folder / "errors").open("ab") as errors:
            self.sampler = subprocess.Popen(
                command, stdin=subprocess.PIPE, stderr=errors, env=dict(self.environment)
            )
        job = {
            "id": "20261123-120000-abcd",
            "supervisor": self.supervisor.pid,
            "main": self.main,
            "folder": str(self.folder),
            "uuids": uuids,
            "visible": visible,
            "started": self.started - ago,
        }
        assert self.sampler.stdin
        self.sampler.stdin.write(json.dumps(job).encode())
        self.sampler.stdin.close()

    def ticks(self) -> list[Tick]:
        """Return the samples so far."""
        with suppress(OSError):
            lines = (self.folder / "samples").read_bytes().splitlines()
            return [msgspec.json.decode(line, type=Tick) for line in lines]
        return []

    def gpus(self) -> list[GpuUse]:
        """Return the sums of the GPUs so far."""
        with suppress(OSError):
            return msgspec.json.decode((self.folder / "gpus.json").read_bytes(), type=list[GpuUse])
        return []

    def until(self, condition: Callable[[list[Tick]], T]) -> T:
        """Return what a condition on the samples gives once it is something."""
        return waited(lambda: condition(self.ticks()))

    def end(self) -> int:
        """Tell the sampler to end; returns its exit status."""
        assert self.sampler
        self.sampler.terminate()
        return self.sampler.wait(LIMIT)

    def errors(self) -> str:
        """Return what the sampler complained about."""
        return (self.folder / "errors").read_text()

    def close(self) -> None:
        """End everything."""
        if self.supervisor is not None:  # while the tree is whole: orphans change their parents
            orphans.end_below(self.supervisor.pid)
        if self.main:
            with suppress(ProcessLookupError):
                os.killpg(self.main, signal.SIGKILL)
        for process in (self.supervisor, self.sampler):
            if process is not None:
                orphans.end_below(process.pid)
                process.kill()
                process.wait(LIMIT)
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None and not pipe.closed:
                        pipe.close()


@contextmanager
def measured(
    program: Path, folder: Path, environment: Mapping[str, str], python: str = sys.executable
) -> Generator[Measured]:
    """Yield a job that is still to be started."""
    job = Measured(program, folder, environment, python)
    try:
        yield job
    finally:
        job.close()
