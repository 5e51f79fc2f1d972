"""Whether addresses whose logins fail are held off."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import option_fix

_KEYWORD = "persourcepenalties"
_COST = (
    "After failed logins an address has to wait, for up to 10 minutes. That may be yours after wrong "
    "passwords, and it is everybody's behind the same router."
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if facts.release < (9, 8):
        return not_here(f"OpenSSH {facts.version} has no PerSourcePenalties; 9.8 has")
    details = facts.details(_KEYWORD)
    if facts.general(_KEYWORD).lower() == "no":
        text = "It is off: an address may guess on and on"
        fix = option_fix(facts, "Let addresses wait after failed logins", _COST, PerSourcePenalties="yes")
        return hint(text, facts.change("PerSourcePenalties yes"), value="no", details=details, fix=fix)
    return ok("An address whose logins fail has to wait", value="yes", details=details)


CHECK = Check(
    id="sshd.per-source-penalties",
    title="Addresses whose logins fail have to wait",
    why="Since 9.8 sshd itself refuses an address for some seconds after a failed login, and for up to "
    "10 minutes when that goes on. It does what fail2ban does, without another program. It also "
    "hits you after several wrong passwords, and everyone behind the same router; "
    "PerSourcePenaltyExemptList takes your own addresses out. This panel stops after the first "
    "refused login, so that it does not get you shut out.",
    command="sudo sshd -T | grep -i persource",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
