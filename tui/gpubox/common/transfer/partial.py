"""Partial files: the received part of a file, stored for the next attempt."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat

from gpubox.common.transfer.wire import PART

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple


def hold(file: int) -> None:
    """Lock a partial file while it is written; a transfer whose link was lost may still hold its lock."""
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_partial(folder: str, stem: str, part: str) -> Tuple[int, str]:
    """Open the partial file of this transfer, or a new one, and return it with its path.

    In a shared folder, another user may have created a file of that name beforehand.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(FileExistsError):
        return os.open(part, flags | os.O_CREAT | os.O_EXCL, 0o600), part
    with contextlib.suppress(OSError):
        file = os.open(part, flags | os.O_NONBLOCK)
        if _ours(file):
            return file, part
        os.close(file)
    part = os.path.join(folder, "%s%s.part" % (stem, os.urandom(8).hex()))
    return os.open(part, flags | os.O_CREAT | os.O_EXCL, 0o600), part


def _ours(file: int) -> bool:
    """Return whether nobody else can have created a partial file, linked to it, or opened it."""
    info = os.fstat(file)
    plain = stat.S_ISREG(info.st_mode) and stat.S_IMODE(info.st_mode) == 0o600
    return plain and info.st_uid == os.geteuid() and info.st_nlink == 1


def adopt_longest(folder: str, stem: str, part: str) -> None:
    """Take over the longest partial file that nobody writes any more, and remove the others."""
    if os.path.lexists(part):
        return
    found: List[Tuple[int, str]] = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder or "."):
            if name.startswith(stem) and PART.fullmatch(name):
                path = os.path.join(folder, name)
                found.append((os.lstat(path).st_size, path))
    for _, path in sorted(found, reverse=True):
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if not _ours(file):
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.lexists(part):
                    os.unlink(path)
                else:
                    os.rename(path, part)
            finally:
                os.close(file)
