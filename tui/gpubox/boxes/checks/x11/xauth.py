"""Whether the program xauth is there and works."""

from __future__ import annotations

from gpubox.boxes.checks.check import CannotLook, Check, Gathered, Result, failed, hint, ok
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.x11.facts import X11Facts
from gpubox.core.sanitize import clean

_STEP = (
    "sudo apt install xauth on Debian and Ubuntu, sudo dnf install xorg-x11-xauth on Fedora and RHEL, "
    "sudo pacman -S xorg-xauth on Arch"
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(X11Facts)
    if not facts.xauth:
        return hint("It is not installed: graphical programs of the box cannot be opened", _STEP, value="no")
    place = _place(gathered)
    if place and place not in (facts.xauth, "/usr/bin/xauth"):
        text = f"sshd looks for it at {clean(place, 80)}, and it is at {clean(facts.xauth, 80)}"
        return hint(text, "Remove XAuthLocation from sshd_config, or correct it", value="elsewhere")
    if facts.works is False:
        text = f"It does not work: {clean(facts.error, 160) or 'it ended with an error'}"
        step = (
            f"Try `xauth -v list`; a damaged {clean(facts.path, 120)} may be moved away, sshd makes a new one"
        )
        return failed(text, step, value="broken")
    return ok(f"{clean(facts.xauth, 80)} works", value="yes")


def _place(gathered: Gathered) -> str:
    """Return where sshd looks for it, when a line says so."""
    try:
        facts = gathered.of(SshdFacts)
        setting = facts.settings.get("xauthlocation")
        return facts.value("xauthlocation") if setting and setting.where else ""
    except CannotLook:
        return ""


CHECK = Check(
    id="x11.xauth",
    title="xauth is installed and works",
    why="With X11 forwarded, sshd runs xauth on the box to store the cookie by which programs get "
    "access to your display. Without it sshd forwards nothing, and ssh says `X11 forwarding request "
    "failed`. A server without any graphics often lacks it; the package is small. Jobs, tunnels and "
    "desktops do not need it.",
    command="xauth -V; xauth list | wc -l",
    needs=(X11Facts, SshdFacts),
    judge=_judge,
)
