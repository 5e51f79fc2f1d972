"""Sets up logging: to a file, never to the screen."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from gpubox.config.places import log_file, short
from gpubox.core.errors import ConfigError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LARGEST = 1024 * 1024
"""Bytes after which the panel's own log is restarted."""


def begin(path: Path | None) -> None:
    """Log the messages of a command to a file, or nowhere. Raises ConfigError where it cannot be written."""
    if path is None:
        nowhere()
    else:
        to_file(path)


def begin_panel(path: Path | None) -> None:
    """Log the messages of a panel to a file, or only warnings to its own. Raises ConfigError as above."""
    if path is None:
        quietly(log_file())
    else:
        to_file(path)


def to_file(path: Path) -> None:
    """Log our messages and those of asyncssh about connections to a file that only the user can read.

    Raises ConfigError when it cannot be written.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        problem = f"{short(path)}: {error.strerror or error}"
        raise ConfigError("The log cannot be written", problem, "Name another file with --log") from error
    _install(handler, logging.INFO)
    logging.getLogger("gpubox").setLevel(logging.DEBUG)


def quietly(path: Path) -> None:
    """Log warnings and errors to a small file, which is created with the first one."""
    from logging.handlers import RotatingFileHandler  # it imports pickle and sockets

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handler: logging.Handler = RotatingFileHandler(
            path, maxBytes=LARGEST, backupCount=1, encoding="utf-8", errors="backslashreplace", delay=True
        )
    except OSError:
        handler = logging.NullHandler()  # a read-only home costs the log, not the panel
    _install(handler, logging.WARNING)


def nowhere() -> None:
    """Keep the log off stderr, where Python would write warnings by default."""
    logging.getLogger().addHandler(logging.NullHandler())


def _install(handler: logging.Handler, level: int) -> None:
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    logging.raiseExceptions = False  # a full disk must not print into the panel
