"""Waits that a signal ends at once: for time, for pipes, and for a lock that another process holds."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional


class _Woken(Exception):
    """A signal came during a wait for a lock."""


class SignalWatcher:
    """Hears signals; `asked` becomes true with TERM or INT and stays so."""

    def __init__(self) -> None:
        self.asked = False
        self._asleep = False
        self._read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, self._hear)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def _hear(self, number: int, _frame: object) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self.asked = True
        if self._asleep:
            self._asleep = False
            raise _Woken

    def wait(self, seconds: float, handles: Optional[List[int]] = None) -> List[int]:
        """Wait for a signal, for time, or for one of the pipes; returns the pipes that can be read."""
        ready, _, _ = select.select([self._read, *(handles or ())], [], [], min(max(0.0, seconds), 3600.0))
        if self._read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 4096)
        return [handle for handle in ready if handle != self._read]

    def until(self, condition: Callable[[], object], seconds: float) -> bool:
        """Wait until a condition holds, looked at after each signal; says whether it did in that time."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.wait(min(left, 0.2))
        return True

    def during(self, sleep: Callable[[], None], seconds: float) -> None:
        """Sleep in a call that waits for a lock until it returns, a signal comes, or that time is over.

        This costs nothing meanwhile, and no inotify instance, of which a user has 128.
        """
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            self._asleep = True
            if not self.asked:
                sleep()
            self._asleep = False
        except _Woken:
            pass
        finally:
            self._asleep = False
            signal.setitimer(signal.ITIMER_REAL, 0)


def collect(handle: int, ears: Optional[SignalWatcher], seconds: float) -> Optional[bytes]:
    """Return all that comes through a pipe; None when its end takes longer, or a stop was asked."""
    end = time.monotonic() + seconds
    data = b""
    while True:
        left = end - time.monotonic()
        if left <= 0 or (ears and ears.asked):
            return None
        ready = ears.wait(left, [handle]) if ears else select.select([handle], [], [], min(left, 3600.0))[0]
        if handle in ready:
            block = os.read(handle, 65536)
            if not block:
                return data
            data += block


def fresh_child() -> None:
    """Make a child of a fork forget what its parent listens to and holds, but its first three files."""
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def close_others(*keep: int) -> None:
    """Close all files but the first three and those named: a lock is held until its last copy is closed."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
