"""Folders of our programs on the box that only their owner can enter."""

from __future__ import annotations

import os

from gpubox.common.refusal import Refused


def private(folder: str, what: str) -> str:
    """Create a private folder of `what`, and return it; raises Refused when it belongs to another user."""
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError as error:
        raise Refused(
            "No place for %s on the box" % what,
            "%s: %s" % (folder, error.strerror),
            "Make room there, or name another folder with GPUBOX_STATE_DIR",
        ) from None
    if found.st_uid != os.getuid() or not os.path.isdir(folder) or os.path.islink(folder):
        raise Refused(
            "The folder of %s is not yours" % what,
            "%s belongs to user number %d, or is no folder" % (folder, found.st_uid),
            "Remove it, or name another one with GPUBOX_STATE_DIR",
        )
    if found.st_mode & 0o077:
        os.chmod(folder, 0o700)
    return folder
