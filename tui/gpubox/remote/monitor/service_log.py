"""The log of the service: lines with their times, in two files that never grow beyond a megabyte."""

from __future__ import annotations

import contextlib
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

SIZE = 500_000
"""Bytes after which a new file begins; the one before is kept beside it, with the suffix .1."""
LINE = 1000
"""Most characters of a line."""


class ServiceLog:
    """Appends lines to a file. A disk that takes none costs the line, never the service."""

    def __init__(self, path: str, size: int = SIZE) -> None:
        self.path = path
        self.size = size
        self._last: Dict[str, str] = {}

    def write(self, text: str) -> None:
        """Write a line."""
        line = "%s %s\n" % (time.strftime("%Y-%m-%d %H:%M:%S %z"), " ".join(text.split())[:LINE])
        with contextlib.suppress(OSError):
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, line.encode("utf-8", "replace"))
                full = os.fstat(handle).st_size > self.size
            finally:
                os.close(handle)
            if full:
                os.replace(self.path, self.path + ".1")

    def changed(self, subject: str, text: str) -> None:
        """Write what is true of a subject now, if something else was before; "" is nothing to write."""
        if self._last.get(subject, "") != text:
            self._last[subject] = text
            self.write("%s: %s" % (subject, text or "good again"))
