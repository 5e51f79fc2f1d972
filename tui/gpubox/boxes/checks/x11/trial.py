"""Whether X11 forwarding works, tried for real."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, ok, warning
from gpubox.boxes.checks.trials import X11Trial


def _judge(gathered: Gathered) -> Result:
    trial = gathered.of(X11Trial)
    if trial.works:
        if trial.untried:
            text = f"A program got a DISPLAY by ssh, and did not connect to it: {trial.untried}"
            return ok(text, value="works")
        return ok("A program reached the display of this machine by ssh", value="works")
    if trial.missing:
        return warning(trial.error, "On the box: sudo apt install xauth", value="no xauth")
    step = "If you want windows of the box: look at the other checks of X11 and sshd"
    return warning(f"It does not work: {trial.error}", step, value="fails")


CHECK = Check(
    id="x11.trial",
    title="A program gets a display by ssh",
    why="Settings say what should work; this does it. A small program is started with X11 forwarding, "
    "for which sshd runs xauth on the box, connects to the display of your machine, and ends. It opens "
    "no window. Where your machine has no display, the program only looks whether sshd gave it one.",
    command="ssh -X BOX 'echo $DISPLAY; xset q'",
    needs=(X11Trial,),
    judge=_judge,
    depends_on=("x11.forwarding",),
    trial=True,
)
