"""The service's folder on the box: what is in it, and where the program itself is."""

from __future__ import annotations

import os

from gpubox.remote import bundle, private_folder, state

PROGRAMS = "program"
"""Holds a folder with the program for each version, named by the hash of its files."""
CONFIG = "config.json"
STATUS = "status.json"
ALERTS = "alerts.json"
"""What the alerts of the service remember over a restart."""
LOCK = "lock"
"""Locked while the service runs; holds the identity of its process."""
LOG = "log"
TEST = "test"
"""A file that asks the service for a test message, and is deleted by it."""
INSTALLED = "installed.json"
"""How the service is started, and what was made for that."""
SECRETS = "secrets"
"""The folder of files with secrets of outlets."""
SPOOL = "spool"
"""The folder that outlets get for what they have not sent yet."""
MAIN = "gpubox.remote.monitor.main"
"""The module that is the service."""


def path(*names: str) -> str:
    """Return the service's folder, or a path in it."""
    return os.path.join(state.folder("monitor"), *names)


def private(folder: str) -> str:
    """Create a private folder for the service, and return it; raises Refused when it is another user's."""
    return private_folder.private(folder, "the service")


def version() -> str:
    """Return the version of this program, which is the hash of its files; "" where it is not known."""
    return version_of(bundle.ROOT)


def version_of(program: str) -> str:
    """Return the version in the name of a program's folder: `monitor-HASH` in the cache, `HASH` here."""
    name = os.path.basename(program).rpartition("-")[2]
    return name if len(name) == 16 and not set(name) - set("0123456789abcdef") else ""


def settle() -> None:
    """Let the installed program find its folder without a variable: it is inside of it.

    A variable in a unit or in a crontab would be one more thing to quote.
    """
    programs, folder = os.path.dirname(bundle.ROOT), os.path.dirname(os.path.dirname(bundle.ROOT))
    if os.path.basename(programs) == PROGRAMS and os.path.basename(folder) == "monitor":
        os.environ["GPUBOX_STATE_DIR"] = os.path.dirname(os.path.dirname(folder))
