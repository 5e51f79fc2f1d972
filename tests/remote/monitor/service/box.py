"""A box of temporary folders with the service: as a process of its own, and its installer as a request."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests import orphans
from tests.hang import LIMIT
from tests.remote.bundles import lay, remote

INSTALLER = "gpubox.remote.monitor.install"
VERSION = "0123456789abcdef"
RECORDER = '''
import json, os
from gpubox.remote.monitor.outlet import Outlet

class Recorder(Outlet):
    """Appends a line for each frame to a file; may fail at the start or with each frame."""

    name = "recorder"

    def __init__(self, config, folder):
        self.config = config
        self.path = os.path.join(folder, config.get("file", "frames"))
        self.count = 0

    def write(self, row):
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, json.dumps(row).encode() + b"\\n")
        os.close(handle)

    def start(self):
        if self.config.get("refuse"):
            raise OSError(98, "Address already in use")

    def offer(self, frame):
        if self.config.get("raise"):
            raise RuntimeError("a fault")
        self.count += 1
        self.write(frame)

    def status(self):
        return {"ok": True, "words": "%d frames" % self.count, "frames": self.count}

    def close(self):
        self.write({"closed": True})
'''
"""An outlet that only tests have."""
CRONTAB = """
table=$HOME/../crontab
case $1 in
  -l) [ -e "$table" ] || { echo "no crontab for $USER" >&2; exit 1; }; cat "$table";;
  -r) rm "$table";;
  -) cat >"$table";;
esac
"""
"""A stand-in for crontab(1) that has its table beside the home."""
START = """
import sys
sys.path.insert(0, {program!r})
from gpubox.remote.jobs import records
from gpubox.remote.monitor import config, main, outlets
from gpubox.remote.probe import driver
outlets.OUTLETS["recorder"] = ("gpubox.remote.monitor.recorder", "Recorder")
config.SHORTEST = 0.05
{patch}
sys.exit(main.main([]))
"""

Row = dict[str, Any]


def rows(path: Path) -> list[Row]:
    """Return the lines of a file of JSON; a file that does not exist has none."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def tree(folder: Path) -> list[str]:
    """Return all that is in a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@dataclass
class Box:
    """A box; `python` is its own."""

    root: Path
    python: str = sys.executable
    environment: dict[str, str] = field(default_factory=dict[str, str])
    running: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.bin = self.root / "bin"
        for folder in (self.home, self.bin):
            folder.mkdir()
        self.program = lay(self.root / f"monitor-{VERSION}", INSTALLER)
        remote(self.program, "monitor/recorder.py").write_text(RECORDER)
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "GPUBOX_ROOT": str(self.root / "root"),
            **self.environment,
        }

    @property
    def folder(self) -> Path:
        """The folder of the service; the machine's name is in its path."""
        found = list((self.home / ".local/state/gpubox").glob("*/monitor"))
        return found[0] if found else self.home / "nowhere"

    def configure(self, **row: object) -> None:
        """Write the configuration that a service reads."""
        made = self.root / "config.json"
        made.write_text(json.dumps({"interval": 0.1, **row}))
        made.chmod(0o600)
        if not self.folder.exists():
            state = subprocess.run(
                [self.python, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(self.program)!r})\n"
                 "from gpubox.remote import state; print(state.folder('monitor'))"],
                env=self.environment, capture_output=True, text=True, check=True, timeout=LIMIT,
            )  # fmt: skip
            Path(state.stdout.strip()).mkdir(parents=True, mode=0o700)
        made.replace(self.folder / "config.json")

    def service(self, patch: str = "") -> subprocess.Popen[bytes]:
        """Start the service with the recorder among its outlets; `patch` is Python that runs first."""
        script = START.format(program=str(self.program), patch=patch)
        process = subprocess.Popen(
            [self.python, "-I", "-S", "-OO", "-c", script],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def frames(self, name: str = "frames") -> list[Row]:
        """Return the frames that the recorder took, without the line of its end."""
        return [row for row in rows(self.folder / "spool" / name) if "closed" not in row]

    def status(self) -> Row:
        """Return the status file; it is whole at any time."""
        path = self.folder / "status.json"
        return cast("Row", json.loads(path.read_text())) if path.exists() else {}

    def request(self, verb: str, **asked: object) -> Row:
        """Return the answer of the installer to a request."""
        done = subprocess.run(
            [self.python, "-I", "-S", "-OO", str(self.program / "run.py"), INSTALLER, verb],
            input=json.dumps(asked).encode(), env=self.environment, capture_output=True, timeout=LIMIT,
        )  # fmt: skip
        assert done.stdout, done.stderr.decode()
        return cast("Row", json.loads(done.stdout))

    def script(self, name: str, text: str) -> None:
        """Install a program."""
        (self.bin / name).write_text("#!/bin/sh\n" + text)
        (self.bin / name).chmod(0o755)

    def log(self) -> str:
        """Return the log of the service."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """End what runs."""
        with suppress(OSError, ValueError, KeyError):
            os.kill(json.loads((self.folder / "lock").read_text())["pid"], signal.SIGKILL)
        for process in self.running:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
        orphans.end(str(self.root))


def boxes(tmp_path: Path, python: str = sys.executable) -> Iterator[Box]:
    """Make a box for a fixture, and end what runs on it."""
    made = Box(tmp_path, python)
    yield made
    made.close()
