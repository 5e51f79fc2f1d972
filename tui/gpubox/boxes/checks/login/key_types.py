"""Whether the keys are of a good type and size."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok
from gpubox.boxes.checks.login.facts import OLD_TYPES, AuthorizedKey, LoginFacts
from gpubox.core.sanitize import clean

_RSA_WEAK, _RSA_GOOD = 2048, 3072
_STEP = "On your machine: ssh-keygen -t ed25519, then ssh-copy-id; remove the old line once the new key works"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(LoginFacts)
    if not facts.keys and not facts.broken:
        return not_here("There are no keys")
    details = tuple(
        key.described + ("" if key.commented else ", without a comment that says whose it is")
        for key in facts.keys[:20]
    )
    kinds = ", ".join(sorted({clean(key.kind, 40) for key in facts.keys}))
    old = [key for key in facts.keys if key.kind in OLD_TYPES]
    if old:
        return failed(
            f"{_names(old)}: DSA is refused by every current sshd", _STEP, value="weak", details=details
        )
    weak = _rsa_below(facts, _RSA_WEAK)
    if weak:
        text = f"{_names(weak)}: an RSA key of {weak[0].bits} bits can be broken"
        return failed(text, _STEP, value="weak", details=details)
    if facts.broken:
        names = ", ".join(clean(where, 120) for where in facts.broken[:3])
        text = f"{names}: this is no key, and sshd passes over it"
        return hint(text, "Remove the line, or mend it: a key is one long line", value=kinds, details=details)
    short = _rsa_below(facts, _RSA_GOOD)
    if short:
        text = f"{_names(short)}: RSA of {short[0].bits} bits is shorter than recommended today"
        return hint(text, _STEP, value=kinds, details=details)
    expired = [key for key in facts.keys if key.expired]
    if expired:
        return hint(
            f"{_names(expired)}: this key has expired", "Remove the line", value=kinds, details=details
        )
    return ok(f"All are good: {kinds}", value=kinds, details=details)


def _rsa_below(facts: LoginFacts, bits: int) -> list[AuthorizedKey]:
    return [key for key in facts.keys if key.kind == "ssh-rsa" and key.bits is not None and key.bits < bits]


def _names(keys: list[AuthorizedKey]) -> str:
    more = f" and {len(keys) - 2} more" if len(keys) > 2 else ""
    return ", ".join(clean(key.where, 120) for key in keys[:2]) + more


CHECK = Check(
    id="login.key-types",
    title="All keys are of a good type and size",
    why="ed25519 is short, fast, and what ssh-keygen makes today. RSA is good from 3072 bits on; fewer "
    "than 2048 can be broken, and sshd refuses fewer than 1024. DSA is refused since OpenSSH 7.0. A "
    "line that is no key, such as one that was broken in two when it was pasted, does nothing. Add "
    "the new key before you remove the old one.",
    command="ssh-keygen -l -f ~/.ssh/authorized_keys",
    needs=(LoginFacts,),
    judge=_judge,
)
