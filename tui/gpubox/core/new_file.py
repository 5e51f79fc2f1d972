"""Files that are whole or not there, whenever this machine stops."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex

_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def temporary(file: Path) -> Path:
    """Return a path for a new file that takes the place of `file` once it is whole: hidden, beside it."""
    return file.with_name(f".{file.name}.{token_hex(6)}")


def make(file: Path, data: bytes, mode: int) -> None:
    """Make a file with all of its data on the disk, or nothing; what is there stays.

    Raises OSError, FileExistsError among them.
    """
    handle = os.open(file, _MAKE, 0o600)
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(handle, mode)
            os.fsync(handle)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
