"""What a supervisor does while it waits takes a limited time and leaves nothing behind; it may wait days."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gpubox.remote.jobs import sigill
from tests.hang import LIMIT
from tests.remote.jobs.box import Box

ENDLESS = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from gpubox.remote.jobs import supervisor
supervisor.RESULTS = 0.3
print(supervisor.results(["*.txt", "**/none"], sys.argv[2]), signal.getitimer(signal.ITIMER_REAL))
"""
SILENT = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from gpubox.remote.jobs import gpu_queue
gpu_queue._asked = lambda skip: time.sleep(100)

def zombies():
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = gpu_queue.process_tree.stat(int(name))
            found += len(fields) > 1 and fields[0] == b"Z" and int(fields[1]) == os.getpid()
    return found

left = []
end = time.monotonic() + float(sys.argv[2])
while len(left) < 6 or (left[-1] > 1 and time.monotonic() < end):
    try:
        gpu_queue.look(None, limit=0.05)
    except gpu_queue.Unanswered:
        left.append(zombies())
print(left[-1])
"""


def reported(box: Box, script: str, *words: str) -> str:
    """Run a script beside the programs of a box, and return what it prints."""
    line = [sys.executable, "-I", "-c", script, str(box.program), *words]
    done = subprocess.run(line, capture_output=True, check=True, text=True, timeout=LIMIT)
    return done.stdout.strip()


def test_results_that_are_nowhere_are_not_looked_for_forever(box: Box, tmp_path: Path) -> None:
    here = tmp_path / "work"
    here.mkdir()
    (here / "a.txt").touch()
    for name in ("one", "other"):  # folders without end
        (here / name).symlink_to(here)
    assert reported(box, ENDLESS, str(here)) == f"['{here}/a.txt'] (0.0, 0.0)"


def test_a_driver_that_stays_silent_leaves_no_row_of_dead_children(box: Box) -> None:
    assert int(reported(box, SILENT, str(LIMIT / 2))) <= 1


def test_a_core_file_that_no_kernel_wrote_is_refused(tmp_path: Path) -> None:
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    head[16:20] = b"\4\0\x3e\0"  # a core, of x86-64, whose table has rows of no size
    (tmp_path / "core").write_bytes(head)
    with pytest.raises(ValueError, match="kernel wrote"):
        sigill.Core(str(tmp_path / "core"))
