"""Ends a command by SIGTERM or SIGHUP as by Ctrl-C, so that temporary files are removed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class SignalExit:
    """The signal that is ending a command."""

    def __init__(self) -> None:
        self.signal = signal.SIGINT

    @property
    def status(self) -> int:
        """The exit status that a shell gives for it."""
        return 128 + self.signal

    def take(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt as Ctrl-C does, even where SIGINT is ignored as in a background job."""
        self.signal = signal.Signals(number)
        interrupt = signal.getsignal(signal.SIGINT)
        if not callable(interrupt):
            raise KeyboardInterrupt
        interrupt(signal.SIGINT, frame)


@contextmanager
def ended_by_signals() -> Generator[SignalExit]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt; an ignored one, as under `nohup`, stays ignored."""
    ending = SignalExit()
    ours: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():
        ours = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, ending.take)
    try:
        yield ending
    finally:
        for one in ours:
            signal.signal(one, signal.SIG_DFL)
