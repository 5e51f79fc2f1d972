"""Whether the key exchange withstands quantum computers, and is not broken."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdSetting
from gpubox.boxes.checks.sshd.options import option_fix

_KEYWORD = "kexalgorithms"
_QUANTUM = ("mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com")
_SINCE, _DEFAULT, _ML_KEM = (8, 5), (8, 9), (9, 9)
"""The versions that brought sntrup761, had it in their default, and brought mlkem768."""
_POLICY = "/etc/crypto-policies/"
"""Where Fedora and RHEL write what `update-crypto-policies` decided."""
_NAME = re.compile(r"[a-z0-9][\w.@-]{1,80}")
_COST = "Where both ends know it, they agree on keys by it. Others go on with what was there before."
_BROKEN = (
    "diffie-hellman-group1-sha1",
    "diffie-hellman-group14-sha1",
    "diffie-hellman-group-exchange-sha1",
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    value = facts.general(_KEYWORD)
    details = facts.details(_KEYWORD)
    broken = [name for name in _BROKEN if name in value.lstrip("+^").split(",")]
    if broken:
        step = "Remove these names from KexAlgorithms, or the line: the default is good"
        return warning(
            f"It offers {', '.join(broken)}, which are broken", step, value="weak", details=details
        )
    if _withstands(value, facts.release):
        return ok("It offers one that withstands quantum computers", value="post-quantum", details=details)
    if facts.release < _SINCE:
        text = f"OpenSSH {facts.version} has none that withstands quantum computers"
        step = "Update the distribution: OpenSSH 8.9 has it by default"
        return hint(text, step, value="classical", details=details)
    text = "It offers none that withstands quantum computers"
    step = facts.change("KexAlgorithms ^sntrup761x25519-sha512@openssh.com")
    return hint(text, step, value="classical", details=details, fix=_fix(facts, value))


def _fix(facts: SshdFacts, value: str) -> Fix | None:
    """Return the fix that puts those that withstand before the ones that a line names.

    None where a policy of the whole system wrote the line, and where it only changes the default.
    """
    where = facts.settings.get(_KEYWORD, SshdSetting()).general_where
    known = [name for name in _QUANTUM if name in facts.exchanges]
    names = value.split(",")
    if not known or not where or where.startswith(_POLICY) or not all(map(_NAME.fullmatch, names)):
        return None
    line = ",".join([*known, *names])
    return (
        option_fix(facts, "Withstand quantum computers", _COST, KexAlgorithms=line)
        if len(line) < 900
        else None
    )


def _withstands(value: str, release: tuple[int, int]) -> bool:
    """Return whether a value of KexAlgorithms leaves one of them; after + ^ - it changes the default."""
    begin, names = value[:1], value.lstrip("+-^").split(",")
    if begin not in ("", "-", "+", "^"):
        return any(name in names for name in _QUANTUM)
    if begin in ("+", "^") and release >= _SINCE and any(name in names for name in _QUANTUM):
        return True
    there = _QUANTUM if release >= _ML_KEM else _QUANTUM[1:] if release >= _DEFAULT else ()
    if begin == "-":
        return any(not any(fnmatchcase(name, pattern) for pattern in names) for name in there)
    return bool(there)


CHECK = Check(
    id="sshd.key-exchange",
    title="The key exchange withstands quantum computers",
    why="Who records your traffic today could read it once there are quantum computers. OpenSSH has "
    "exchanges that withstand them since 8.5 (sntrup761), by default since 8.9, and since 9.9 mlkem768. "
    "A line KexAlgorithms without these, or an older version, turns them off; ssh 10.1 and newer warns "
    "then. A crypto policy of Fedora or RHEL sets that line. It costs this panel nothing.",
    command="sudo sshd -T | grep -i kexalgorithms",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
