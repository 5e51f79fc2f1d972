"""The user whose login is checked: behind sudo that is who called it, not root."""

from __future__ import annotations

import os
import pwd

from gpubox.remote import users


def uid() -> int:
    """Return the user id."""
    given = os.environ.get("SUDO_UID", "")
    return int(given) if given.isdigit() and len(given) < 11 else os.getuid()


def name() -> str:
    """Return the login name; the number of a user without one."""
    return users.name(uid())


def home() -> str:
    """Return the home folder; "" when there is none."""
    if uid() == os.getuid() and os.environ.get("HOME"):
        return os.environ["HOME"]
    try:
        return pwd.getpwuid(uid()).pw_dir
    except KeyError:
        return ""
