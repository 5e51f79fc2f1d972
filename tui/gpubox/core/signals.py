"""Keeps signals ignored that the caller ignores (nohup, a script's background), without passing that on."""

from __future__ import annotations

import signal


def catch_ignored() -> None:
    """Keep ignoring SIGHUP, SIGINT and SIGQUIT where they are ignored, without passing that on.

    exec(2) keeps an ignored signal ignored and resets a caught one: otherwise our shells, jobs and ssh would
    ignore ctrl+c, and a program in a terminal of ours would outlive it.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _pass)


def _pass(_number: int, _frame: object) -> None:
    """Do nothing."""
