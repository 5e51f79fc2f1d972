"""Whether a key can log in."""

from __future__ import annotations

from gpubox.boxes.checks.check import CannotLook, Check, Gathered, Result, not_here, ok, unknown, warning
from gpubox.boxes.checks.login.facts import LoginFacts, sshd_value
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.bounds import whole
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(LoginFacts)
    if _no_server(gathered):
        return not_here("Nobody logs in by ssh here")
    if sshd_value(gathered, "pubkeyauthentication", "yes").lower() == "no":
        return warning(
            "sshd takes no keys at all", _change(gathered, "PubkeyAuthentication yes"), value="off"
        )
    smallest = whole(sshd_value(gathered, "requiredrsasize", "1024")) or 1024
    usable = [key for key in facts.usable(smallest) if "cert-authority" not in key.options]
    details = tuple(
        " ".join((key.described, *(f"[{clean(word, 40)}]" for word in key.options[:6])))
        for key in usable[:10]
    )
    if facts.method == "publickey":
        return ok("This login came by a key", value="key", details=details)
    if usable:
        count = len(usable) + facts.more_keys
        return ok(f"{count} key{'' if count == 1 else 's'} can log in", value="key", details=details)
    if sshd_value(gathered, "authorizedkeyscommand", "none") != "none":
        return ok("sshd asks a program for the keys of users", value="command")
    authority = any("cert-authority" in key.options for key in facts.usable())
    if authority or sshd_value(gathered, "trustedusercakeys", "none") != "none":
        return ok("Certificates can log in", value="certificate")
    unread = [file for file in facts.files if file.error and file.error != "missing"]
    if unread and not facts.keys:
        return unknown(f"{clean(unread[0].path, 120)} cannot be read: {clean(unread[0].error, 80)}")
    step = f"On your machine: ssh-copy-id {clean(facts.user, 40)}@BOX"
    if facts.keys:
        reasons = ", ".join(f"{clean(key.where, 120)} {_reason(key.expired)}" for key in facts.keys[:3])
        return warning(f"No key can log in: {reasons}", step, value="no")
    return warning(f"{clean(facts.user, 40)} has no key here: only a password logs in", step, value="no")


def _reason(expired: bool) -> str:
    return "has expired" if expired else "is of a type or size that sshd refuses"


def _no_server(gathered: Gathered) -> bool:
    """Return whether this is a machine that was not reached by ssh, and runs no server."""
    try:
        facts = gathered.of(SshdFacts)
    except CannotLook:
        return False
    return not facts.server and facts.listens is False and not any(unit.active for unit in facts.units)


def _change(gathered: Gathered, setting: str) -> str:
    try:
        return gathered.of(SshdFacts).change(setting)
    except CannotLook:
        return f"Set `{setting}` in sshd_config"


CHECK = Check(
    id="login.key",
    title="A key logs in",
    why="A key cannot be guessed, and your agent keeps its passphrase, so that the panel connects again "
    "by itself after a lost link. Make one with `ssh-keygen -t ed25519` on your machine and add it "
    "with ssh-copy-id, which appends to ~/.ssh/authorized_keys and asks for the password once. Only "
    "after that turn passwords off.",
    command="ssh-keygen -l -f ~/.ssh/authorized_keys",
    needs=(LoginFacts, SshdFacts),
    judge=_judge,
)
