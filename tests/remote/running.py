"""A probe that runs as it does on a box: a process of its own, driven over its pipes."""

from __future__ import annotations

import functools
import glob
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

from gpubox.agent import bootstrap
from gpubox.core.decode import decode
from gpubox.core.sample import Sample
from tests.hang import LIMIT
from tests.remote.bundles import lay

PROBE = bootstrap.program().main
"""The module that is the probe."""
_ROOTS = (
    "~/.pyenv/versions/*/bin/python",
    "~/.local/share/uv/python/*/bin/python3",
    "/opt/python*/bin/python3",
)


@functools.cache
def pythons() -> dict[tuple[int, int], str]:
    """Return every Python from 3.8 on that this machine has, oldest first; there is always our own."""
    names = [f"python3.{minor}" for minor in range(8, 20)]
    places = [place for place in map(shutil.which, names) if place]
    places += [place for root in _ROOTS for place in glob.glob(os.path.expanduser(root))]
    found = {sys.version_info[:2]: sys.executable}
    for place in [*places, "/usr/bin/python3"]:
        script = "import sys; print(*sys.version_info[:2])"
        try:
            done = subprocess.run(
                [place, "-I", "-c", script], capture_output=True, timeout=LIMIT, check=False
            )
            major, minor = map(int, done.stdout.split())
        except (OSError, ValueError, subprocess.TimeoutExpired):
            continue  # a pyenv shim of a version that is not switched on
        if (major, minor) >= (3, 8):
            found.setdefault((major, minor), place)
    return dict(sorted(found.items()))


def unpack(folder: Path) -> Path:
    """Lay down what a box gets, as it lies in its cache."""
    return lay(folder, bootstrap.program().main)


class Running:
    """One probe; its lines are read beside the test, so that it never waits for us."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[bytes] = []
        self._queue: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(line)
        self._queue.put(None)

    def line(self) -> bytes:
        """Return the next line; fail at the end or after LIMIT."""
        line = self._queue.get(timeout=LIMIT)
        assert line is not None, f"the probe ended: {self.process.wait(5)} {self.errors()}"
        self.lines.append(line)
        return line

    def sample(self, *, answered: bool = True) -> Sample:
        """Return the next sample; answers to heartbeats are passed over.

        Also passed over, unless `answered` is false, are samples from before the driver's first answer, for
        which the probe waits a second: a busy machine takes longer.
        """
        while True:
            line = self.line()
            if line.startswith(b'{"pong"'):
                continue
            sample = decode(line)
            if not answered or sample.gpus or sample.faults or sample.driver.source != "none":
                return sample

    def until(self, condition: Callable[[Sample], object]) -> Sample:
        """Return the first sample that meets a condition."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            sample = self.sample(answered=False)
            if condition(sample):
                return sample
        raise AssertionError(f"never came; the last one: {self.lines[-1]!r}")

    def send(self, text: str) -> None:
        """Write a command line to the probe."""
        assert self.process.stdin
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def hang_up(self) -> None:
        """Close the probe's stdin, as a link that ends does."""
        assert self.process.stdin
        self.process.stdin.close()

    def end(self) -> int:
        """Return the exit status once it has ended by itself."""
        return self.process.wait(LIMIT)

    def errors(self) -> str:
        """Return what it wrote to stderr; it must have ended."""
        assert self.process.stderr
        return self.process.stderr.read().decode()

    def close(self) -> None:
        """End it, whatever state it is in."""
        self.process.kill()
        self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()


@contextmanager
def running(
    home: Path,
    environment: Mapping[str, str],
    arguments: Iterable[str] = ("interval=0.25",),
    *,
    python: str = sys.executable,
    patch: str = "",
) -> Generator[Running]:
    """Start the probe of the folder `home`; `patch` is Python that changes its modules first."""
    command = [python, "-I", "-S", str(home / "run.py"), PROBE]
    if patch:
        script = f"import sys; sys.path.insert(0, {str(home)!r}); "
        script += (
            f"from gpubox.remote.probe import driver, host, main, nvml, processes, sampler, wire; {patch}; "
        )
        command = [python, "-I", "-S", "-c", script + "sys.exit(main.main(sys.argv[1:]))"]
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    )
    probe = Running(process)
    try:
        yield probe
    finally:
        probe.close()
