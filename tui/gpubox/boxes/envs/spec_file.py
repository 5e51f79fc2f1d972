"""Reads the file of this machine from which an environment is made: a yml, or requirements."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean

LARGEST = 1 << 20
"""Most bytes of such a file."""


async def read_spec_file(path: str) -> str:
    """Return the text of a file, `~` expanded, without holding up the event loop.

    Raises ConfigError when it cannot be read, is not a regular file, is not UTF-8, or is larger than LARGEST.
    """
    return await asyncio.to_thread(_read, path)


def _read(path: str) -> str:
    shown = clean(path, 200)
    try:
        file = Path(path).expanduser()
        if not stat.S_ISREG(file.stat().st_mode):  # a pipe may never end
            raise ConfigError("Cannot be read", f"{shown} is not a file")
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
        text = data.decode("utf-8")
    except (OSError, RuntimeError, ValueError) as error:  # no such home, a zero byte, no UTF-8
        raise ConfigError("Cannot be read", f"{shown}: {clean(str(error), 200)}") from error
    if len(data) > LARGEST:
        raise ConfigError("Too large", f"{shown} is larger than 1 MB")
    return text
