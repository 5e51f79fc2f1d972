"""Whether accounts without a password are let in."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, ok
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import option_fix
from gpubox.core.sanitize import clean

_KEYWORD = "permitemptypasswords"
_COST = "Accounts without a password need a key or a password."


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    details = facts.details(_KEYWORD)
    yes = facts.exceptions(_KEYWORD, "yes")
    if facts.general(_KEYWORD) == "yes":
        text = "An account without a password can log in without any proof"
        step = facts.change("PermitEmptyPasswords no")
        fix = option_fix(facts, "Refuse empty passwords", _COST, PermitEmptyPasswords="no")
        return failed(text, step, value="yes", details=details, fix=fix)
    if yes:
        text = f"Accounts without a password can log in where Match {clean(yes[0].match, 60)} applies"
        return failed(text, f"Remove {clean(yes[0].where, 120)}", value="some", details=details)
    return ok("An empty password is refused", value="no", details=details)


CHECK = Check(
    id="sshd.empty-passwords",
    title="Empty passwords are refused",
    why="With PermitEmptyPasswords an account whose password is empty is open to everyone who reaches "
    "the port. sshd refuses it by default; somebody turned it on. It costs this panel nothing to "
    "turn it off.",
    command="sudo sshd -T | grep -i permitemptypasswords",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
