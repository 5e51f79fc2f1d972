"""The folders of our programs' state on the box: one per machine, because a home may be shared."""

from __future__ import annotations

import os
import re


def root() -> str:
    """Return the folder that holds a folder for each machine."""
    state = os.environ.get("GPUBOX_STATE_DIR", "")
    if not state:
        state = os.environ.get("XDG_STATE_HOME", "")
        state = (state if state.startswith("/") else os.path.expanduser("~/.local/state")) + "/gpubox"
    return os.path.abspath(state)


def machine() -> str:
    """Return a name that distinguishes this machine from others that share its homes."""
    try:
        with open("/etc/machine-id", encoding="ascii", errors="replace") as file:
            name = file.read(64).strip()[:12]
    except OSError:
        name = ""
    return (
        name if re.fullmatch("[0-9a-f]{12}", name) else re.sub(r"[^A-Za-z0-9_.-]", "_", os.uname().nodename)
    )


def folder(part: str) -> str:
    """Return the folder of one part of the state of this machine: `jobs` or `envs`."""
    return os.path.join(root(), machine(), part)
