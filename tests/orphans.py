"""Proves that no test leaves a process: pytest runs below a process that adopts whatever the tests leave.

That process is a child subreaper (prctl(2), Linux): a program whose parent has ended becomes its child, not
init's, wherever the program's environment and session have gone. Elsewhere nothing is proven.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.process_tree import children, descendants

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
"""Numbers of <linux/prctl.h>."""
_ADOPTER = "PYTEST_ADOPTER"
"""The environment variable that tells xdist's workers which process adopts."""
LIMIT = 20.0
"""Seconds that a program that was asked to end has for it on a busy machine."""


def adopt() -> None:
    """Go on as the child of a process that adopts all orphans, and that ends what is left after us.

    Returns in the child only. The parent leaves with the child's exit status.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    adopter = os.getpid()
    unhung = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    child = os.fork()
    if child == 0:
        libc.prctl(_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        os.environ[_ADOPTER] = str(adopter)
        if unhung:  # nohup: no hangup of the terminal reaches the programs of the tests either
            os.setsid()
        return
    try:
        libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # A terminal sends these to the child too.
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, *([] if unhung else [signal.SIGHUP])):
            signal.signal(number, lambda number, _: os.kill(child, number))
        status = _reap_until(child)
        _end_the_rest()
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    finally:
        os._exit(70)


def _reap_until(child: int) -> int:
    """Reap orphans as init does until the child has ended; returns its wait status."""
    while True:
        pid, status = os.wait()
        if pid == child:
            return status


def _end_the_rest() -> None:
    end = time.monotonic() + LIMIT
    while (rest := descendants(os.getpid())) and time.monotonic() < end:
        for pid in rest:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def left(*marks: str) -> list[str]:
    """Return those orphans, described, that mention one of the marks and did not end in time.

    A mark is looked for in a process's environment, words and working folder; an empty one is in all.
    """
    adopter = int(os.environ.get(_ADOPTER, "0"))
    if not adopter:
        return []
    us = _ancestry(os.getpid())
    end = time.monotonic() + LIMIT
    while True:
        roots = [pid for pid in children(adopter) if pid not in us and _alive(pid)]
        found = [pid for pid in roots if _mentions(pid, marks)]
        if not found or time.monotonic() > end:
            return [_described(pid) for pid in found]
        time.sleep(0.02)


def end(mark: str) -> None:
    """End the orphans that mention a mark, as `left` finds them, and what they started."""
    us = _ancestry(os.getpid())
    for pid in children(int(os.environ.get(_ADOPTER, "0"))):
        if pid not in us and _mentions(pid, [mark]):
            for each in (*descendants(pid), pid):
                with suppress(OSError):
                    os.kill(each, signal.SIGKILL)


def end_session(leader: int) -> None:
    """End whatever is left of a session whose leader a test started, also in process groups of its own."""
    for folder in Path("/proc").glob("[0-9]*"):
        if _stat(pid := int(folder.name))[3:4] == [str(leader)]:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def end_below(parent: int) -> None:
    """End all that a process started, or adopted."""
    for pid in descendants(parent):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _ancestry(pid: int) -> set[int]:
    found = set[int]()
    while pid > 1:
        found.add(pid)
        pid = _parent(pid)
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return []


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["", "0"])[1])


def _alive(pid: int) -> bool:
    return (_stat(pid) or "Z")[0] != "Z"


def _mentions(pid: int, marks: Sequence[str]) -> bool:
    text = b"\0".join(_texts(pid))
    return any(mark.encode() in text for mark in marks)


def _texts(pid: int) -> tuple[bytes, bytes, bytes]:
    """Return environment, words and working folder; of a process that hides itself, only its words."""
    environment = words = folder = b""
    with suppress(OSError):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    with suppress(OSError):
        folder = os.fsencode(os.readlink(f"/proc/{pid}/cwd"))
    return environment, words, folder


def _described(pid: int) -> str:
    """Return the words of a process, or what the kernel says of one that is ending."""
    environment, command, _ = _texts(pid)
    test = next((line for line in environment.split(b"\0") if line.startswith(b"PYTEST_CURRENT_TEST=")), b"")
    words = command.replace(b"\0", b" ").decode(errors="replace").strip()
    started = f", started by {test.partition(b'=')[2].decode(errors='replace')}" if test else ""
    with suppress(OSError):
        words = words or Path(f"/proc/{pid}/status").read_text(errors="replace").replace("\n", " ")
    return f"pid {pid}: {words}{started}"
