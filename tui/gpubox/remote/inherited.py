"""The variables with which a program of ours was started, for commands of the user to inherit.

Runs ON the box under Python 3.8 or newer with the standard library alone.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

LINK = ("SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK", "OLDPWD", "_")
"""Variables of a single login, which are invalid once it ends."""


def variables() -> Dict[str, str]:
    """Return the variables that this program was started with, and those that were set since.

    Python sets LC_CTYPE for itself and its children if there is no locale (PEP 538); that is left out.
    """
    found = dict(os.environ)
    if "LC_CTYPE" in found and not _started_with(b"LC_CTYPE="):
        del found["LC_CTYPE"]
    return found


def _started_with(begin: bytes) -> bool:
    """Return whether the kernel passed such a variable; true when that cannot be read."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return any(entry.startswith(begin) for entry in file.read().split(b"\0"))
    except OSError:
        return True
