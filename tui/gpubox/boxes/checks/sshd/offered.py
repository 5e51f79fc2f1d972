"""What sshd offers to a stranger, as it is seen from outside."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok, unknown, warning
from gpubox.boxes.checks.link_login import LinkLogin


def _judge(gathered: Gathered) -> Result:
    login = gathered.of(LinkLogin)
    if not login.needed:
        return not_here("This box needs no login over the network")
    if not login.offered:
        return unknown("The box let this machine in before it named its methods")
    offered = ", ".join(login.offered)
    if login.guessable:
        text = f"A stranger may try {' and '.join(login.guessable)} (it offers {offered})"
        return warning(
            text, "Turn off PasswordAuthentication and KbdInteractiveAuthentication", value=offered
        )
    return ok(f"It offers {offered} only", value=offered)


CHECK = Check(
    id="sshd.offered",
    title="A stranger is offered keys only",
    why="This is what the box answered this machine before it had proved anything: the same as it answers "
    "anybody who connects. It is the last word on what the configuration comes to, whatever the files say. "
    "With a second factor, keyboard-interactive is meant to be there.",
    command="ssh -o PreferredAuthentications=none -o BatchMode=yes BOX",
    needs=(LinkLogin,),
    judge=_judge,
)
