"""Whether sshd forwards X11."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import option_fix

_KEYWORD = "x11forwarding"
_COST = "A program of the box that you let in can watch keys and windows of your display."


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if facts.value("disableforwarding") == "yes":
        text = "DisableForwarding turns it off, and all other forwards"
        step = facts.change("DisableForwarding no", for_login=True)
        return hint(text, step, value="no", details=facts.details("disableforwarding"))
    details = facts.details(_KEYWORD)
    if facts.value(_KEYWORD) == "yes":
        return ok("It is on", value="yes", details=details)
    text = "It is off: this panel cannot open graphical programs of the box"
    step = f"If you want that: {facts.change('X11Forwarding yes', for_login=True)}"
    fix = option_fix(facts, "Forward X11", _COST, for_login=True, X11Forwarding="yes")
    return hint(text, step, value="no", details=details, fix=fix)


CHECK = Check(
    id="sshd.x11-forwarding",
    title="Graphical programs may use your display",
    why="With X11Forwarding a program of the box opens its window on your machine. sshd leaves it off "
    "by default, which is no fault: a desktop by VNC needs none of it. A program on the box that is "
    "let in can watch keys and windows of your display, so turn it on for boxes that you trust. Off "
    "costs this panel the windows of single programs.",
    command="sudo sshd -T | grep -i x11",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
