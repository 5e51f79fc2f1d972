"""What the caller has done to signals (nohup, a script's background, a profiler) reaches nobody else."""

from __future__ import annotations

import signal

_UNBLOCKED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGWINCH)


def reset_inherited() -> None:
    """Hear the signals that the caller has blocked, and keep those ignored that it ignores, for this process.

    exec(2) keeps a blocked signal blocked, an ignored one ignored, and resets a caught one. Otherwise the
    panel would miss the new size of a window (perf blocks SIGWINCH), our shells, jobs and ssh would ignore
    ctrl+c, and a program in a terminal of ours would outlive it.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _UNBLOCKED)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _pass)


def _pass(_number: int, _frame: object) -> None:
    """Do nothing."""
