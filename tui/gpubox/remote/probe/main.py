"""The probe: samples a box and writes one JSON object per line, until its reader is gone.

Runs ON the box under Python 3.8 or newer with only the standard library and pynvml. gpubox.core.sample
describes the fields; an unknown value is left out, never 0.

Arguments: interval=SECONDS top=NUMBER commands=0|1 pack=0|1 env:NAME=VALUE (percent-encoded).
Commands, one per line on stdin: beat N, pcie INDEX, pcie off, interval SECONDS, quit.
Exit codes: 0 quit, stdin closed, or 45 s without a heartbeat; 2 wrong arguments; 6 nobody reads the output;
70 a fault in the probe, reported in one line on stderr.
Environment: GPUBOX_NVML_LIB loads that library, GPUBOX_NVML_MODULE replaces pynvml, GPUBOX_ROOT is a prefix
of /proc/driver, /sys, /dev and the library folders (for tests).
"""

from __future__ import annotations

import os
import sys
import time

from gpubox.remote.json_io import error_line
from gpubox.remote.probe.sampler import SECOND, BoxSampler
from gpubox.remote.probe.wire import ProbeWire, Stop, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would delay the first sample by 3 ms
    from typing import Dict

    Row = Dict[str, object]


class Probe:
    """Sends a sample per interval, and obeys the commands that come in meanwhile."""

    def __init__(self, interval: float, top: int, commands: bool, pack: bool = False) -> None:
        self.wire = ProbeWire(pack=pack)
        self.sampler = BoxSampler(interval, top, commands)

    def run(self) -> None:
        """Sample until stopped; raises Stop."""
        begin = time.monotonic()
        while True:
            interval = self.sampler.interval = self.wire.interval or self.sampler.interval
            self.wire.send(self.sample())
            now = time.monotonic()
            # A driver that still starts gets its time.
            if self.sampler.seq == 1 and self.sampler.gpus.since is None:
                begin = max(now, begin + min(SECOND, interval))
            else:
                begin = begin + interval if begin <= now < begin + interval else now + interval
            self.wire.wait(begin)

    def sample(self) -> Row:
        """Return one sample, with the number of the last heartbeat."""
        row = self.sampler.sample(self.wire.pcie)
        if self.wire.pong is not None:
            row["pong"] = self.wire.pong
        return row


def main(arguments: list[str]) -> int:
    """Run the probe and return its exit code."""
    settings = {"interval": "1", "top": "15", "commands": "1", "pack": "0"}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if name.startswith("env:"):
            from urllib.parse import unquote

            os.environ[unquote(name[4:])] = unquote(value)
        elif equals and name in settings:
            settings[name] = value
        else:
            sys.stderr.write("gpubox: the probe does not know the argument %r\n" % argument)
            return 2
    interval = seconds(settings["interval"])
    if interval is None or not settings["top"].isdigit():
        sys.stderr.write("gpubox: interval and top must be numbers\n")
        return 2
    code = 70
    try:
        Probe(interval, int(settings["top"]), settings["commands"] != "0", settings["pack"] != "0").run()
    except Stop as stop:
        code = stop.code
    except KeyboardInterrupt:
        code = 0
    except Exception as error:  # the last boundary: it becomes one line on stderr
        sys.stderr.write("gpubox: the probe found a fault in itself: %s\n" % error_line(error))
    sys.stderr.flush()
    # A thread may hang in the driver forever; nothing here waits for it.
    os._exit(code)
