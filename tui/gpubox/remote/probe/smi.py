"""Reads the GPUs through nvidia-smi, when NVML cannot be loaded."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import time

from gpubox.common.sample_format import DRIVER_VERSION, given
from gpubox.common.smi import (
    BASIC,
    LOST_WORDS,
    SMI_APPS,
    SMI_COLUMNS,
    short_bus,
    smi_apps,
    smi_blamed,
    smi_fault,
    smi_gpus,
    smi_troubles,
)
from gpubox.remote.kernel_files import listing, rooted
from gpubox.remote.probe import driver
from gpubox.remote.probe.driver import kernel_version, no_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    Row = Dict[str, object]
    App = Dict[str, object]


PERIOD = 1.9
"""Least seconds between the starts of two rounds; a sample every 2 s still gets a new one each time."""
SHARE = 10
"""How often the time of a round fits between the starts of two: a slow nvidia-smi runs less often."""
OUTPUT = 1 << 20
"""Most bytes of output that are read of one run."""
ENDING = 0.5
"""Seconds for nvidia-smi to end by itself after its output; then it is killed."""
KILLED = 1.0
"""Seconds for a killed one to be gone; one that hangs in the driver stays."""


class ProgramTimeout(Exception):
    """A program did not answer in time."""


class Smi:
    """Reads the GPUs through nvidia-smi, where NVML cannot be loaded."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.columns = SMI_COLUMNS
        self.known: dict[str, Row] = {}
        self.lost: dict[str, float] = {}
        self.rows: list[Row] = []
        self.apps: list[App] = []
        self.faults: list[Row] = []
        self.version = ""
        self.next = 0.0
        self.doing = ""
        self.stuck: object = None
        self.first = True

    def tick(self, now: float) -> None:
        """Run nvidia-smi when it is due: a slow one less often, and not while a hung one still exists."""
        if now < self.next:
            return
        begin = time.monotonic()
        try:
            self.ask()
            self.next = begin + max(PERIOD, SHARE * (time.monotonic() - begin))
        except ProgramTimeout as error:
            self.next = time.monotonic() + driver.RETRY
            self.apps = []
            self.rows = [dict(row, fault="nvidia-smi does not answer") for row in self.known.values()]
            self.faults = [{"code": "hang", "detail": str(error), "looked": [self.path]}]
        except OSError as error:
            self.next = time.monotonic() + driver.RETRY
            code = "permission" if error.errno == errno.EACCES else "error"
            self.faults = [
                {"code": code, "detail": "%s: %s" % (self.path, error.strerror), "looked": [self.path]}
            ]
        self.first = False

    def ask(self) -> None:
        """Run both queries; raises ProgramTimeout and OSError."""
        query = ",".join(column[0] for column in self.columns)
        status, text = self.run("--query-gpu=" + query, "--format=csv,noheader,nounits")
        if len(self.columns) > BASIC and ("not a valid field" in text or (status == 2 and "," not in text)):
            self.columns = SMI_COLUMNS[:BASIC]
            query = ",".join(column[0] for column in self.columns)
            status, text = self.run("--query-gpu=" + query, "--format=csv,noheader,nounits")
        rows, others, version = smi_gpus(text, self.columns)
        troubles, rest = smi_troubles(others)
        if troubles and not rows:
            # A single GPU that cannot be opened ends the whole table; the others are queried by name.
            named = [str(row.get("bus", "")) for row in self.known.values()]
            named = named or listing(rooted("/proc/driver/nvidia/gpus"))
            well = [bus for bus in named if bus and short_bus(bus) not in troubles]
            if well:
                chosen = "--id=" + ",".join(well)
                status, text = self.run(chosen, "--query-gpu=" + query, "--format=csv,noheader,nounits")
                rows, others, version = smi_gpus(text, self.columns)
                rest += others
        self.version = version or self.version
        self.faults = []
        if rest or not (rows or troubles):
            self.faults = [self.complaint(" / ".join(rest[:3]), status)]
        self.remember(smi_blamed(rows, troubles, list(self.known.values())), rest)
        index = {str(row["uuid"]): row["index"] for row in self.rows if "uuid" in row}
        status, text = self.run("--query-compute-apps=" + SMI_APPS, "--format=csv,noheader,nounits")
        self.apps = smi_apps(text, index)

    def complaint(self, words: str, status: int) -> Row:
        """Return nvidia-smi's message instead of a table as a fault."""
        code = smi_fault(words)
        if code == "mismatch":
            library = DRIVER_VERSION.search(words.partition("NVML library version")[2])
            return given(
                {
                    "code": code,
                    "detail": words,
                    "kernel_version": kernel_version(),
                    "library_version": library.group(1) if library else None,
                    "looked": [self.path],
                }
            )
        if code == "no-library":
            return no_answer([self.path], "", self.path, words, code)
        return {
            "code": code,
            "detail": words or "nvidia-smi ended with %d and no word" % status,
            "looked": [self.path],
        }

    def remember(self, rows: list[Row], others: list[str]) -> None:
        """Keep the rows of GPUs that disappeared."""
        seen = set()
        for row in rows:
            uuid = str(row.get("uuid", row["index"]))
            seen.add(uuid)
            self.known[uuid] = {key: row[key] for key in ("index", "uuid", "name", "bus") if key in row}
            if "fault" in row and LOST_WORDS.search(str(row["fault"])):
                row["lost_at"] = self.lost.setdefault(uuid, round(time.time(), 3))
            else:
                self.lost.pop(uuid, None)
        gone = next((LOST_WORDS.search(line) for line in others if LOST_WORDS.search(line)), None)
        for uuid, identity in self.known.items():
            if uuid not in seen:
                words = gone.group(0) if gone else "nvidia-smi no longer lists it"
                at = self.lost.setdefault(uuid, round(time.time(), 3))
                rows.append(dict(identity, fault=words, lost_at=at))
        self.rows = sorted(rows, key=lambda row: int(str(row["index"])))

    def run(self, *arguments: str) -> tuple[int, str]:
        """Return exit status and output of nvidia-smi; raises ProgramTimeout and OSError.

        Its output is read with a limit: a broken one that prints endlessly must not fill the memory.
        """
        import subprocess

        if isinstance(self.stuck, subprocess.Popen) and self.stuck.poll() is None:
            raise ProgramTimeout("nvidia-smi still hangs; even killing it does not end it")
        self.stuck = None
        self.doing = "nvidia-smi"
        limit = driver.HANG_START if self.first else driver.HANG
        process = subprocess.Popen(
            [self.path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(os.environ, LC_ALL="C"),
        )
        pipe = process.stdout
        assert pipe is not None
        end = time.monotonic() + limit
        data = b""
        try:
            while len(data) < OUTPUT:
                ready = select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]
                if not ready:
                    raise ProgramTimeout("nvidia-smi gave no answer for %d seconds" % limit)
                block = os.read(pipe.fileno(), 65536)
                if not block:
                    break
                data += block
            else:
                process.kill()
        finally:
            pipe.close()
            self.reap(process)
        return process.returncode or 0, data.decode("utf-8", "replace")

    def reap(self, process: object) -> None:
        """Kill nvidia-smi and its children; one that cannot be killed is left alone and tracked."""
        import signal
        import subprocess

        if not isinstance(process, subprocess.Popen):
            return
        try:
            process.wait(ENDING)
            return
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        try:
            process.wait(KILLED)
        except subprocess.TimeoutExpired:
            self.stuck = process
