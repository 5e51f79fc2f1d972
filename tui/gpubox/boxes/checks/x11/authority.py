"""Whether the user's file of cookies can be written."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, ok, warning
from gpubox.boxes.checks.x11.facts import X11Facts
from gpubox.common.units import duration
from gpubox.core.sanitize import clean

_STALE = 60.0
"""Seconds; xauth holds a lock for a moment, and waits 20 s for one of another process."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(X11Facts)
    path = clean(facts.path, 120)
    if facts.there and facts.owner_uid is not None and facts.owner_uid != facts.uid:
        text = f"{path} belongs to {clean(facts.owner, 40)}"
        return failed(text, f"sudo chown {clean(facts.user, 40)} '{path}'", value="owner")
    if not facts.folder_writable:
        text = f"No file can be made beside {path}"
        return failed(
            text, "Look at the modes of that folder, and whether the disk is full: df -h ~", value="folder"
        )
    stale = [lock for lock in facts.locks if lock.age > _STALE]
    if stale:
        names = " ".join(f"'{clean(lock.path, 120)}'" for lock in stale)
        text = f"A lock of it is {duration(stale[0].age)} old, and makes each login wait 20 seconds"
        return warning(text, f"rm {names}, when no login is under way", value="locked")
    if facts.there and facts.mode is not None and facts.mode & 0o077:
        text = f"Others may read {path} ({facts.mode:04o}): who has a cookie has your display"
        return warning(text, f"chmod 600 '{path}'", value="readable")
    return ok(f"{path} can be written" if facts.there else f"{path} is made when it is needed", value="yes")


CHECK = Check(
    id="x11.authority",
    title="The file of X11 cookies can be written",
    why="For each login that forwards X11 a cookie is written to ~/.Xauthority. A graphical program "
    "that was run with sudo often leaves that file to root, and from then on no display opens. "
    "xauth locks the file while it writes; a lock that was left behind by a crash makes each login "
    "wait.",
    command="ls -l ~/.Xauthority*",
    needs=(X11Facts,),
    judge=_judge,
    depends_on=("x11.xauth",),
)
