"""Exits the app on signals that Textual does not handle, so that the terminal is restored."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Any

from textual.app import App


def exit_on_signals(app: App[Any]) -> None:
    """Exit by SIGTERM and SIGHUP with status 128 + n.

    Without its terminal the app is useless, so a hangup ends it even under nohup.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, partial(app.exit, return_code=128 + number))
