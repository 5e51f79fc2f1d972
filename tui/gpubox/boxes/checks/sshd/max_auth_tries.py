"""How often one connection may try to prove itself."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import option_fix

_KEYWORD = "maxauthtries"
_FEW, _MANY = 3, 10


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    tries = facts.number(_KEYWORD)
    details = facts.details(_KEYWORD)
    step = facts.change("MaxAuthTries 6", for_login=True)
    fix = option_fix(
        facts, "Allow six tries", "It is the default of OpenSSH.", for_login=True, MaxAuthTries="6"
    )
    if tries < _FEW:
        text = (
            f"Only {tries} {'try' if tries == 1 else 'tries'}: an agent that offers more keys is turned away"
        )
        return hint(text, step, value=str(tries), details=details, fix=fix)
    if tries > _MANY:
        text = f"{tries} tries on each connection"
        return hint(text, step, value=str(tries), details=details, fix=fix)
    return ok(f"{tries} tries on each connection", value=str(tries), details=details)


CHECK = Check(
    id="sshd.max-auth-tries",
    title="A connection may try a handful of keys and passwords",
    why="Each key that your agent offers counts as a try. With fewer than 3 tries, an agent that holds "
    "several keys is refused with `Too many authentication failures` before the right one comes up; "
    "IdentitiesOnly and IdentityFile in ~/.ssh/config help. A high number serves those who guess "
    "passwords. The default is 6.",
    command="sudo sshd -T | grep -i maxauthtries",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
