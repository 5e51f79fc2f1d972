"""Prints the facts of the chosen sections, one JSON line per section, as each is ready.

Runs ON the box under Python 3.8 or newer with only the standard library. It changes nothing, and connects to
nothing but the box's own loopback. gpubox.boxes.checks judges the facts.

A line is `{"section": NAME, "facts": {...}}`, or `{"section": NAME, "error": WHY}` for a section that could
not be gathered. Words: the names of sections.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from importlib import import_module

from gpubox.remote.checks import commands
from gpubox.remote.json_io import emit, error_line

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List

    Row = Dict[str, Any]

SECONDS = 3.0
"""Most seconds for all sections, which are gathered at the same time."""

SECTIONS = {
    "login": "gpubox.remote.checks.login",
    "sshd": "gpubox.remote.checks.sshd",
    "x11": "gpubox.remote.checks.x11",
    "desktop": "gpubox.remote.checks.desktop",
    "gpu": "gpubox.remote.checks.gpu",
    "kernel": "gpubox.remote.checks.kernel",
    "packages": "gpubox.remote.checks.packages",
    "cuda": "gpubox.remote.checks.cuda",
    "envs": "gpubox.remote.checks.envs",
    "monitoring": "gpubox.remote.checks.monitoring",
    "web": "gpubox.remote.checks.web",
    "network": "gpubox.remote.checks.network",
    "system": "gpubox.remote.checks.system",
}
"""The module of each section; quoted names travel to the box."""


def answer(name: str) -> Row:
    """Return the line of one section; never raises, so that one section cannot cost the others."""
    try:
        return {"section": name, "facts": import_module(SECTIONS[name]).gather()}
    except Exception as error:  # the border of a section: its fault is its answer
        return {"section": name, "error": error_line(error)}


def gather(name: str, answers: queue.Queue[Row]) -> None:
    """Put the line of one section into a queue."""
    answers.put(answer(name))


def main(words: List[str]) -> int:
    """Gather the sections named by `words`."""
    pending = [name for name in words if name in SECTIONS]
    answers: queue.Queue[Row] = queue.Queue()
    end = time.monotonic() + SECONDS
    for name in pending:
        threading.Thread(target=gather, args=(name, answers), daemon=True).start()
    while pending:
        try:
            row = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        pending.remove(row["section"])
        emit(row)
    for name in pending:
        emit({"section": name, "error": "it took more than %.0f seconds" % SECONDS})
    commands.end_all()
    os._exit(0)  # a thread that hangs in a system call would keep the program alive
