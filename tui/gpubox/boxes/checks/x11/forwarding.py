"""Whether all is there to open a graphical program of the box here."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.login.facts import LoginFacts
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.x11.facts import X11Facts
from gpubox.core.sanitize import clean

_FORBIDS = ("restrict", "no-x11-forwarding")
_ALLOWS = "x11-forwarding"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if not gathered.of(X11Facts).xauth:
        return hint("sshd forwards no X11 without xauth", "Install xauth", value="no")
    if facts.value("x11forwarding") != "yes" or facts.value("disableforwarding") == "yes":
        return not_here("sshd does not forward X11")
    details = facts.details("x11forwarding")
    limited = [
        key
        for key in gathered.of(LoginFacts).keys
        if any(option in key.options for option in _FORBIDS) and _ALLOWS not in key.options
    ]
    if limited:
        text = f"The key at {clean(limited[0].where, 120)} may not forward X11"
        step = f"If that is your key: add `{_ALLOWS}` to its options"
        return hint(text, step, value="limited", details=details)
    return ok("sshd forwards X11, and xauth is there", value="yes", details=details)


CHECK = Check(
    id="x11.forwarding",
    title="Graphical programs of the box can be opened here",
    why="It takes three things: sshd with X11Forwarding, the program xauth on the box, and a display on "
    "your machine. The panel then opens single programs in windows of their own. Whole desktops go "
    "over VNC, and need none of it.",
    command="ssh -X BOX xauth list",
    needs=(X11Facts, SshdFacts, LoginFacts),
    judge=_judge,
    depends_on=("sshd.server",),
)
