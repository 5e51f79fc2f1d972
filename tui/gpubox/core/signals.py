"""Keeps signals ignored that the caller ignores (nohup, a script's background), without passing that on."""

from __future__ import annotations

import signal


def catch_ignored() -> None:
    """Keep ignoring SIGHUP, SIGINT and SIGQUIT where they are ignored, without passing that on.

    exec(2) keeps an ignored signal ignored and resets a caught one: a shell, a job or an ssh of ours would
    hear no ctrl+c, and a program behind a terminal of ours would outlive it.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _pass)


def _pass(_number: int, _frame: object) -> None:
    """Do nothing."""
