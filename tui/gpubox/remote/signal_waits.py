"""Waits that a signal interrupts at once: for time, for pipes, and for a lock of another process."""

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
    """Receives signals; `asked` becomes true with TERM or INT and stays true."""

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
        """Wait for a signal, a time, or one of the pipes; return the pipes that are ready."""
        ready, _, _ = select.select([self._read, *(handles or ())], [], [], min(max(0.0, seconds), 3600.0))
        if self._read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 4096)
        return [handle for handle in ready if handle != self._read]

    def until(self, condition: Callable[[], object], seconds: float) -> bool:
        """Wait until a condition holds, checked after each signal; return whether it did in time."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.wait(min(left, 0.2))
        return True

    def during(self, sleep: Callable[[], None], seconds: float) -> None:
        """Run a call that waits for a lock until it returns, a signal arrives, or the time is over.

        It costs no CPU, and no inotify instance, of which a user has 128.
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


def collect(handle: int, watcher: Optional[SignalWatcher], seconds: float) -> Optional[bytes]:
    """Return all bytes of a pipe; None when it does not end in time, or a stop was requested."""
    end = time.monotonic() + seconds
    data = b""
    while True:
        left = end - time.monotonic()
        if left <= 0 or (watcher and watcher.asked):
            return None
        ready = (
            watcher.wait(left, [handle]) if watcher else select.select([handle], [], [], min(left, 3600.0))[0]
        )
        if handle in ready:
            block = os.read(handle, 65536)
            if not block:
                return data
            data += block


def fresh_child() -> None:
    """Reset a forked child: the parent's signal handlers, and its files except the first three."""
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def close_others(*keep: int) -> None:
    """Close all files except the first three and `keep`: a lock lasts until its last copy is closed."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
