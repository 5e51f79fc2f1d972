"""Imports asyncssh without probing for its optional libraries, which takes as long as all the rest."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import threading
from importlib import import_module

_ENDINGS = ("", *(f".{number}" for number in range(4, 12)))
"""Endings of a shared library's name; those of liboqs and nettle are 9 and 8 now."""

_loading = threading.Lock()


def load() -> None:
    """Import asyncssh, once.

    On Linux asyncssh runs ldconfig and gcc five times to find libraries that few machines have; the dynamic
    linker knows at once.
    """
    with _loading:
        if "asyncssh" in sys.modules or sys.platform != "linux":
            import_module("asyncssh")
            return
        search = ctypes.util.find_library
        ctypes.util.find_library = _known_to_the_linker
        try:
            import_module("asyncssh")
        finally:
            ctypes.util.find_library = search


def _known_to_the_linker(name: str) -> str | None:
    """Return the file name of a shared library, as ctypes.util.find_library does."""
    for ending in _ENDINGS:
        file = f"lib{name.removeprefix('lib')}.so{ending}"
        try:
            ctypes.CDLL(file)
        except OSError:
            continue
        return file
    return None
