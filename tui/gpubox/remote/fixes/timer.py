"""The roll-back timer: a process away from the login, which takes a change of sshd back unless it is kept."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import traceback

from gpubox.remote import process_tree
from gpubox.remote.fixes import journal as journals
from gpubox.remote.fixes import programs
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Callable, Dict

    from gpubox.remote.fixes.journal import FixJournal, FixRecord

    Recover = Callable[[FixJournal], Dict[str, str]]

PACE = 0.1
"""Seconds between two looks at the entry."""
TRIES = 600
"""How often a roll-back that fails is tried again, a second apart."""


def start(journal: FixJournal, entry: FixRecord, recover: Recover) -> None:
    """Start the timer of an entry, and note which process it is."""
    reading, writing = os.pipe()
    try:
        child = os.fork()
        if child == 0:
            detach(journal.folder, entry.folder, writing, recover)
        os.close(writing)
        writing = -1
        os.waitpid(child, 0)
        pid = os.read(reading, 32).decode()
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    if not pid:
        raise Refused("No roll-back timer", "A process away from this login could not be started")
    entry.save(timer=process_tree.identity(int(pid)))


def detach(journal: str, folder: str, writing: int, recover: Recover) -> None:
    """Become a process of its own, say its number, and watch; never returns."""
    try:
        os.setsid()
        if os.fork() == 0:
            programs.endure(signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
            close_all(writing)
            os.write(writing, b"%d" % os.getpid())
            os.close(writing)
            watch(journal, folder, recover)
    except BaseException:
        with contextlib.suppress(OSError), open(os.path.join(folder, "timer.error"), "w") as file:
            file.write(traceback.format_exc())
    finally:
        os._exit(0)


def close_all(but: int) -> None:
    """Close all files but one, the lock among them, and have nothing as stdin, stdout and stderr."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        if handle != but:
            os.dup2(nothing, handle)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != but:
            with contextlib.suppress(OSError):
                os.close(int(name))


def watch(journal: str, folder: str, recover: Recover) -> None:
    """Look at an entry until it is settled, and settle it when its time is over or its request has died."""
    tries = 0
    while tries < TRIES:
        row = journals.load(folder) or {}
        state = row.get("state")
        if state not in ("guarded", *journals.HALF):
            return
        waits = state == "guarded" and time.monotonic() < float(row["deadline"])
        if not waits and settled(journal, recover, patience=0.0 if state in journals.HALF else 60.0):
            tries += 1
            time.sleep(min(1.0, PACE * tries))
        time.sleep(PACE)


def settled(journal: str, recover: Recover, patience: float) -> bool:
    """Settle all entries, unless a request is at work; return whether that was tried."""
    try:
        with journals.FixJournal(create=False, folder=journal, patience=patience) as locked:
            recover(locked)
            return True
    except Refused:
        return False
