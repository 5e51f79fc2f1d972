"""Whether forwarded displays are reachable from the box itself only."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok, warning
from gpubox.boxes.checks.sshd.facts import SshdFacts

_KEYWORD = "x11uselocalhost"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if facts.value("x11forwarding") != "yes" or facts.value("disableforwarding") == "yes":
        return not_here("sshd does not forward X11")
    details = facts.details(_KEYWORD)
    if facts.value(_KEYWORD) == "no":
        text = "The network of the box reaches every display that is forwarded to it"
        return warning(text, facts.change("X11UseLocalhost yes", for_login=True), value="no", details=details)
    return ok("Only the box itself reaches them", value="yes", details=details)


CHECK = Check(
    id="x11.localhost",
    title="Forwarded displays are closed to the network of the box",
    why="sshd listens on a port from 6010 on for each display that it forwards. With `X11UseLocalhost "
    "no` it does so on all addresses, and only the cookie keeps others from your screen and keys. A "
    "few old programs need it; containers that share the network of the box do not.",
    command="sudo sshd -T | grep -i x11uselocalhost; ss -ltn | grep ':60'",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
