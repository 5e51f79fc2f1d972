"""Whether tunnels to unix sockets are allowed."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import option_fix

_KEYWORD = "allowstreamlocalforwarding"
_COST = "A login reaches the sockets that its user may open, as its commands do."


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if facts.value("disableforwarding") == "yes" or facts.value("allowtcpforwarding").lower() in (
        "no",
        "remote",
    ):
        return not_here("They are refused together with all tunnels")
    details = facts.details(_KEYWORD)
    value = facts.value(_KEYWORD).lower()
    if value in ("no", "remote"):
        text = "They are refused: a desktop has to listen on a port, which other users of the box reach"
        step = facts.change("AllowStreamLocalForwarding yes", for_login=True)
        fix = option_fix(
            facts, "Allow tunnels to sockets", _COST, for_login=True, AllowStreamLocalForwarding="yes"
        )
        return hint(text, step, value=value, details=details, fix=fix)
    if facts.value("permitopen") != "any":
        text = "PermitOpen refuses tunnels to sockets as well: it cannot name one"
        return hint(
            text,
            facts.change("PermitOpen any", for_login=True),
            value="limited",
            details=facts.details("permitopen"),
        )
    return ok("Tunnels to sockets are allowed", value="yes", details=details)


CHECK = Check(
    id="sshd.stream-local-forwarding",
    title="Tunnels to sockets are allowed",
    why="A desktop that this panel starts listens on a socket in your own folder, which nobody else on "
    "the box can open, and the panel reaches it by a tunnel to that socket. Where sshd refuses "
    "this, the desktop needs a port and a password, and VNC passwords count 8 characters.",
    command="sudo sshd -T | grep -i allowstreamlocalforwarding",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server", "sshd.tcp-forwarding"),
)
