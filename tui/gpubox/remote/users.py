"""Names of the users of this box, each looked up once: a directory server may be slow."""

from __future__ import annotations

import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Dict

LONGEST = 64
"""Most characters of a name."""
_known: Dict[int, str] = {}


def name(uid: int) -> str:
    """Return the name of a user, or the number if the box has no name for it."""
    if uid not in _known:
        found = ""
        with contextlib.suppress(KeyError, ImportError, OverflowError):
            import pwd  # imported here, to save memory in jobs that wait in the queue

            found = pwd.getpwuid(uid).pw_name[:LONGEST]
        _known[uid] = found or str(uid)
    return _known[uid]


def current() -> str:
    """Return the name of the user who runs this program; $USER if the box has no name for it."""
    found = name(os.getuid())
    return os.environ.get("USER", found) if found.isdigit() else found
