"""A box of temporary folders that runs jobs as a real one does: each request is a process of its own."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec

from gpubox.core.record import Listing, Record
from tests import orphans
from tests.hang import LIMIT
from tests.remote.bundles import lay, remote

PLACES = """
import json, os, sys, time
def places(exclude, ignore, jobs):
    with open(os.environ["FAKE_GPUS"]) as file:
        found = json.load(file)
    if "hang" in found:
        time.sleep(100)
    if "error" in found:
        raise RuntimeError(found["error"])
    skip = ["pid %d" % pid for pid, _ in ignore]
    for gpu in found["gpus"]:
        gpu["strangers"] = [who for who in gpu.get("strangers", []) if not any(word in who for word in skip)]
    return found["gpus"]
"""
"""A stand-in for gpu_places.py: reads the GPUs from a file."""

_numbers = itertools.count()


def new_id() -> str:
    """Return an id that no other test of this process uses."""
    return f"20261123-{os.getpid() % 1000000:06d}-t{next(_numbers):05d}"


@dataclass
class Box:
    """A box; `python` is its own."""

    root: Path
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict[str, str])
    uid: int | None = None
    """Who asks, where that is not who runs the tests."""

    def __post_init__(self) -> None:
        self.program = self.root / "program"
        lay(self.program, "gpubox.remote.jobs.main")
        for name in (
            "jobs/gpu_sampler.py",
            "jobs/gpu_places.py",
            "envs/activate.py",
        ):  # a test puts its own there
            remote(self.program, name).unlink()
        self.home = self.root / "home"
        self.home.mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GPUBOX_STATE_DIR": str(self.root / "state"),
            "GPUBOX_QUEUE_DIR": str(self.root / "queue"),
            "FAKE_GPUS": str(self.root / "gpus.json"),
            **self.environment,
        }

    def command(self, *words: str) -> list[str]:
        """Return the command of a request."""
        return [
            self.python,
            "-I",
            "-S",
            "-OO",
            str(self.program / "run.py"),
            "gpubox.remote.jobs.main",
            *words,
        ]

    def raw(self, *words: str, request: object = None) -> bytes:
        """Send a request and return what was answered, whatever it was."""
        data = json.dumps({} if request is None else request).encode()
        done = subprocess.run(
            self.command(*words),
            input=data,
            capture_output=True,
            env=self.environment,
            timeout=LIMIT,
            check=False,
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
        )
        assert done.stderr == b"", done.stderr.decode()
        return done.stdout

    def ask(self, verb: str, **request: object) -> dict[str, object]:
        """Send a request and return the answer."""
        return cast("dict[str, object]", json.loads(self.raw(verb, request=request)))

    def refused(self, verb: str, **request: object) -> str:
        """Return the words of a request that is refused."""
        error = cast("dict[str, str]", self.ask(verb, **request)["error"])
        return f"{error['title']}: {error['text']}"

    def launch(self, *argv: str, **spec: object) -> Record:
        """Launch a job."""
        whole: dict[str, object] = {"id": new_id(), "argv": argv, "grace": 1.0, **spec}
        return self.record(self.ask("launch", spec=whole))

    def record(self, answer: Mapping[str, object]) -> Record:
        """Return an answer as the program reads it."""
        assert "error" not in answer, answer
        return msgspec.convert(answer, Record)

    def show(self, job: str) -> Record:
        """Return a record as it is now."""
        return self.record(self.ask("show", id=job))

    def list(self) -> Listing:
        """Return all records and GPUs."""
        return msgspec.convert(self.ask("list"), Listing)

    def until(self, job: str, condition: Callable[[Record], object]) -> Record:
        """Return a record as soon as it meets a condition."""
        end = time.monotonic() + LIMIT
        while True:
            record = self.show(job)
            if condition(record):
                return record
            assert time.monotonic() < end, f"never came: {record}"

    def ended(self, job: str) -> Record:
        """Return a record once its job ended."""
        return self.until(job, lambda record: record.state == "ended")

    def run(self, *argv: str, **spec: object) -> Record:
        """Run a job to its end."""
        return self.ended(self.launch(*argv, **spec).id)

    def log(self, job: str) -> bytes:
        """Return a whole log; empty before the job began."""
        path = self.folder(job) / "log"
        return path.read_bytes() if path.exists() else b""

    def folder(self, job: str) -> Path:
        """Return the folder of a record."""
        (found,) = (self.root / "state").glob(f"*/jobs/{job}")
        return found

    def gpus(self, *strangers: str, **more: object) -> None:
        """Give the box GPUs: one for each word, which names who is on it, or is empty."""
        remote(self.program, "jobs/gpu_places.py").write_text(PLACES)
        rows = [
            {"uuid": f"GPU-{index}{index}{index}{index}", "index": index, "strangers": [who] if who else []}
            for index, who in enumerate(strangers)
        ]
        text = json.dumps({"gpus": rows, **more})
        fresh = self.root / "gpus.new"
        fresh.write_text(text)
        fresh.rename(self.environment["FAKE_GPUS"])

    def close(self) -> None:
        """End everything that still runs, also what its record no longer tells."""
        try:
            self._stop_all()
        finally:
            orphans.end(f"{self.root}/")

    def _stop_all(self) -> None:
        if not (self.root / "state").exists():
            return
        for record in self.list().jobs:
            if record.state != "ended":
                self.ask("stop", id=record.id)
        for record in self.list().jobs:
            if record.state != "ended" and record.supervisor:
                self.ended(record.id)


def alive(pid: int) -> bool:
    """Return whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    end = time.monotonic() + LIMIT
    while alive(pid):
        assert time.monotonic() < end, f"{pid} still runs"
        time.sleep(0.01)
    return True


def kill(pid: int) -> None:
    """End a process the hard way, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    gone(pid)
