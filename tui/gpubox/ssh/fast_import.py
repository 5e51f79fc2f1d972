"""Imports asyncssh without what the program does without, which takes as long as all the rest."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module

_ENDINGS = ("", *(f".{number}" for number in range(4, 12)))
"""Endings of a shared library's name; those of liboqs and nettle are 9 and 8 now."""
_X509 = "asyncssh.crypto.x509"
"""X.509 certificates, which OpenSSH does without: their import was a tenth of what `status` executes.

asyncssh runs without this module of its own, as it does where cryptography offers no X.509.
"""

_loading = threading.Lock()


def load() -> None:
    """Import asyncssh, once."""
    with _loading:
        if "asyncssh" in sys.modules:
            import_module("asyncssh")  # waits for another thread that is at it
            return
        with _without_x509(), _without_ldconfig():
            import_module("asyncssh")


@contextmanager
def _without_x509() -> Generator[None]:
    sys.modules[_X509] = None  # pyright: ignore[reportArgumentType]  # what Python takes for a missing module
    try:
        yield
    finally:
        del sys.modules[_X509]


@contextmanager
def _without_ldconfig() -> Generator[None]:
    """Search for shared libraries by the dynamic linker, which knows at once.

    On Linux asyncssh runs ldconfig and gcc five times to find libraries that few machines have.
    """
    search = ctypes.util.find_library
    if sys.platform == "linux":
        ctypes.util.find_library = _known_to_the_linker
    try:
        yield
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
