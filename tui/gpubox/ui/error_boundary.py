"""The boundary between services that may fail and the user: errors become toasts, never tracebacks."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol, runtime_checkable

from textual.notifications import SeverityLevel

from gpubox.core.errors import Cancelled, GpuBoxError

log = logging.getLogger("gpubox.ui")
# Without any handler logging would write tracebacks to the terminal.
logging.getLogger("gpubox").addHandler(logging.NullHandler())

UNEXPECTED = "Something went wrong inside gpubox-tui"
"""Title of every unexpected error."""


class Notifier(Protocol):
    """Anything that can show a toast: a widget, a screen or the app."""

    def notify(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information", markup: bool = True
    ) -> None:
        """Show a message for a while."""
        ...


@runtime_checkable
class Failing(Protocol):
    """A part of the screen whose failure is contained: a panel."""

    def fail(self, error: Exception) -> None:
        """Log an unexpected error, and show that this part failed."""
        ...


def log_file() -> Path | None:
    """Return the file that the log is written to, or None when there is none."""
    logger: logging.Logger | None = log
    while logger is not None:
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler) and handler.baseFilename != "/dev/null":
                return Path(handler.baseFilename)
        logger = logger.parent
    return None


def where_to_look() -> str:
    """Return a sentence about where the details of an unexpected error are."""
    path = log_file()
    return f"The details are in {path}" if path else "Run it again with a log file to see the details"


def toast(teller: Notifier, error: GpuBoxError) -> None:
    """Show an error of ours: its title, what happened and what to do."""
    lines = [part for part in (error.text, error.hint) if part]
    teller.notify(
        "\n".join(lines) or error.title, title=error.title if lines else "", severity="error", markup=False
    )


async def guarded(teller: Notifier, work: Awaitable[object], done: str = "") -> bool:
    """Await work and return whether it succeeded; never raises an Exception.

    On success `done` is shown, if given. A GpuBoxError is shown with its hint, except Cancelled: the user
    knows. Anything else is logged with its traceback and shown without; a panel is marked as failed.
    """
    try:
        await work
    except Cancelled:
        return False
    except GpuBoxError as error:
        toast(teller, error)
        return False
    except Exception as error:
        if isinstance(teller, Failing):
            teller.fail(error)
            return False
        log.exception("a worker failed")
        teller.notify(
            f"{type(error).__name__}. {where_to_look()}", title=UNEXPECTED, severity="error", markup=False
        )
        return False
    if done:
        teller.notify(done, markup=False)
    return True
