"""Whether others may read the VNC password of the user."""

from __future__ import annotations

from shlex import quote

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok, warning
from gpubox.boxes.checks.desktop.facts import DesktopFacts, PasswordFile
from gpubox.boxes.checks.fix import FileEdit, Fix
from gpubox.core.sanitize import clean

_USUAL = ("~/.vnc/passwd", "~/.config/tigervnc/passwd")
"""Paths that a shell has to expand."""
_PRIVATE = 0o600


def _judge(gathered: Gathered) -> Result:
    files = gathered.of(DesktopFacts).passwords
    if not files:
        return not_here("The user has no VNC password")
    found = [one for one in files if one.open]
    if found:
        path = clean(found[0].path, 60)
        return warning(
            f"Others may read {path}, whose mode is {clean(found[0].mode, 5)}",
            f"chmod 600 {path if path in _USUAL else quote(path)}",
            value="open",
            fix=_fix(found),
        )
    return ok("Only the user may read it", value="private")


def _fix(found: list[PasswordFile]) -> Fix | None:
    """Return the fix that takes the right to read from others; None where a file is not the user's own."""
    if not all(one.mine and one.place.startswith("/") for one in found):
        return None
    edits = {one.place: FileEdit(one.place, mode=_PRIVATE) for one in found}
    return Fix(
        "Let nobody else read the VNC password",
        "Other users can no longer read it. Who has read it knows it: a new one is set with vncpasswd.",
        needs_root=False,
        files=tuple(edits.values()),
    )


CHECK = Check(
    id="desktop.password",
    title="The VNC password is private",
    why="The file of a VNC password is scrambled with a key that everybody knows, so to read it is to "
    "know the password. Desktops that this panel starts need none of it: their socket belongs to the user "
    "alone.",
    command="ls -l ~/.vnc/passwd ~/.config/tigervnc/passwd",
    needs=(DesktopFacts,),
    judge=_judge,
)
