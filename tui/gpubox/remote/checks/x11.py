"""Facts of X11 over ssh: xauth and the user's file of cookies; never a cookie."""

from __future__ import annotations

import os
import time

from gpubox.remote import users
from gpubox.remote.checks import commands, login_user
from gpubox.remote.kernel_files import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import Any, Dict, List

    Row = Dict[str, Any]

LOCKS = ("-c", "-l")
"""What xauth adds to the name of a file to lock it."""


def gather() -> Row:
    """Return the facts."""
    path = authority()
    xauth = commands.which("xauth")
    return {
        "user": login_user.name(),
        "uid": login_user.uid(),
        "xauth": xauth,
        **(tried(path) if xauth else {}),
        **file(path),
        "locks": locks(path),
        "display": bool(os.environ.get("DISPLAY")),
    }


def authority() -> str:
    """Return the file of cookies that sshd's xauth writes to, with links followed as xauth does."""
    given = os.environ.get("XAUTHORITY", "")
    return given or os.path.join(login_user.home(), ".Xauthority")


def tried(path: str) -> Row:
    """Return what `xauth list` came to; -i takes no lock, so that it changes nothing."""
    if not os.path.exists(rooted(path)):
        done = commands.run("xauth", "-V", seconds=commands.QUICK)
        return {"works": done is not None and done.status == 0, "error": ""}
    done = commands.run("xauth", "-i", "-n", "-f", rooted(path), "list", seconds=commands.QUICK)
    if done is None:
        return {"works": False, "error": "it did not end in time"}
    reason = done.err.strip().splitlines()
    return {"works": done.status == 0, "error": reason[-1][:200] if done.status and reason else ""}


def file(path: str) -> Row:
    """Return whether the file of cookies is there, whose it is, and whether the user may write there."""
    row: Row = {"path": path, "there": False, "owner": "", "owner_uid": None, "mode": None}
    try:
        found = os.stat(rooted(path))
        row.update(
            there=True, owner=users.name(found.st_uid), owner_uid=found.st_uid, mode=found.st_mode & 0o7777
        )
    except OSError:
        pass
    # xauth writes a new file beside the old one, and renames it.
    row["folder_writable"] = may_write(os.path.dirname(rooted(path)))
    return row


def may_write(folder: str) -> bool:
    """Return whether the user may make files in a folder; behind sudo that is not what root may."""
    if login_user.uid() == os.geteuid():
        return os.access(folder, os.W_OK | os.X_OK)
    try:
        found = os.stat(folder)
    except OSError:
        return False
    return (found.st_uid == login_user.uid() and bool(found.st_mode & 0o200)) or bool(found.st_mode & 0o002)


def locks(path: str) -> List[Row]:
    """Return the locks of the file, and their ages in seconds: a stale one costs each login 20 s."""
    rows: List[Row] = []
    for end in LOCKS:
        try:
            found = os.lstat(rooted(path + end))
        except OSError:
            continue
        rows.append({"path": path + end, "age": max(0.0, time.time() - found.st_mtime)})
    return rows
