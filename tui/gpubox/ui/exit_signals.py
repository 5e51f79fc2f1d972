"""Leaves the app on signals that Textual does not handle, so that the terminal is given back as it was."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Any

from textual.app import App


def exit_on_signals(app: App[Any]) -> None:
    """Exit by SIGTERM and SIGHUP with status 128 + n.

    Without its terminal the app is of no use: it ends by a hangup that nohup wanted ignored, too.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, partial(app.exit, return_code=128 + number))
