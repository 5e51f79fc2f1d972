"""How many logins may be under way at a time."""

from __future__ import annotations

import re

from gpubox.boxes.checks.check import CannotLook, Check, Gathered, Result, hint, ok, unknown
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import option_fix
from gpubox.core.sanitize import clean

_KEYWORD = "maxstartups"
_FEW, _MANY = 5, 1000
_DEFAULT = "10:30:100"
_FIRST_WINS = (10, 1)
"""Since this version the first line counts, as with other options."""
_COST = "Of more than 10 unfinished logins some are turned away, and from 100 on all. That is sshd's default."


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    value = facts.general(_KEYWORD)
    details = facts.details(_KEYWORD)
    found = re.fullmatch(r"(\d{1,9})(?::\d{1,9}:(\d{1,9}))?", value)
    if not found:
        return unknown(f"The value is not understood: {clean(value, 40)}")
    begin, full = int(found[1]), int(found[2] or found[1])
    step = _step(facts)
    if begin < _FEW:
        text = f"From {begin} unfinished logins on, sshd turns new ones away"
        text = f"{text}: a few guessing strangers keep you out"
        fix = _fix(facts, "Let more logins begin at a time")
        return hint(text, step, value=value, details=details, fix=fix)
    if full > _MANY:
        text = f"Up to {full} unfinished logins are kept open"
        text = f"{text}: strangers can make the box busy"
        fix = _fix(facts, "Let fewer logins begin at a time")
        return hint(text, step, value=value, details=details, fix=fix)
    return ok(
        f"From {begin} unfinished logins on some are turned away, from {full} all",
        value=value,
        details=details,
    )


def _first_wins(facts: SshdFacts) -> bool:
    try:
        return facts.release >= _FIRST_WINS
    except CannotLook:
        return False


def _fix(facts: SshdFacts, title: str) -> Fix | None:
    return option_fix(facts, title, _COST, MaxStartups=_DEFAULT) if _first_wins(facts) else None


def _step(facts: SshdFacts) -> str:
    line = f"MaxStartups {_DEFAULT}"
    if _first_wins(facts):
        return facts.change(line)
    return (
        f"Change all lines with MaxStartups to `{line}`: before OpenSSH 10.1 the last one counts, so that a "
        f"drop-in does not help; then run `sudo sshd -t && {facts.reload}`"
    )


CHECK = Check(
    id="sshd.max-startups",
    title="Strangers cannot use up the places for new logins",
    why="sshd counts logins that have not proved themselves yet. Beyond MaxStartups it turns new ones "
    "away at random, yours as well: `kex_exchange_identification: Connection closed`. A box with a "
    "public address needs the default of 10:30:100 or more, best with passwords off, so that "
    "guessing ends soon. This panel opens few at a time.",
    command="sudo sshd -T | grep -i maxstartups",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
