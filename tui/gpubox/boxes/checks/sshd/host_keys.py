"""Whether the server proves itself by good keys."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, unknown, warning
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.sanitize import clean

_ED25519 = "ssh-ed25519"
_RSA_WEAK = 2048


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if not facts.host_keys:
        return unknown("The public files of its keys were not found", "ls -l /etc/ssh/ssh_host_*_key.pub")
    details = tuple(
        f"{clean(key.path, 80)}: {clean(key.kind, 40)} {key.bits or '?'}" for key in facts.host_keys
    )
    kinds = ", ".join(
        clean(key.kind.removeprefix("ssh-").removeprefix("ecdsa-sha2-"), 20) for key in facts.host_keys
    )
    for key in facts.host_keys:
        if key.kind == "ssh-rsa" and key.bits is not None and key.bits < _RSA_WEAK:
            path = clean(key.path, 80)
            step = f"sudo rm {path} {path}.pub && sudo ssh-keygen -A && {facts.reload}"
            return warning(f"Its RSA key has {key.bits} bits only", step, value=kinds, details=details)
    if all(key.kind != _ED25519 for key in facts.host_keys):
        step = f"sudo ssh-keygen -A && {facts.reload}"
        return hint("It has no ed25519 key", step, value=kinds, details=details)
    return ok(f"It has {kinds}", value=kinds, details=details)


CHECK = Check(
    id="sshd.host-keys",
    title="The server proves itself by good keys",
    why="By its host key the box proves that it is the box, and not somebody between. Every version "
    "since 6.5 knows ed25519. A key that is replaced makes each machine ask about a changed key "
    "once, and old entries in known_hosts have to be removed: look at the fingerprint on the box "
    "before you accept the new one.",
    command="for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -l -f $f; done",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
