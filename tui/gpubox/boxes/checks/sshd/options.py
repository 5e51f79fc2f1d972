"""Fixes of sshd's options, where a drop-in file can make them."""

from __future__ import annotations

from gpubox.boxes.checks.check import CannotLook, Gathered
from gpubox.boxes.checks.fix import Fix, SshdOptions
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.login.facts import LoginFacts
from gpubox.boxes.checks.sshd.facts import DROP_IN, SshdFacts, SshdSetting


def option_fix(
    facts: SshdFacts, title: str, cost: str, *, for_login: bool = False, **options: str
) -> Fix | None:
    """Return the fix that sets options for everyone, or None where our drop-in file would not decide.

    The first value wins: a line on sshd's command line, or in a file that is read earlier, would win over it.
    With `for_login` the options have to hold for this login, where a line inside of a Match may win.
    """
    if not facts.installed or facts.server not in ("", "sshd"):
        return None
    for keyword in options:
        where = facts.settings.get(keyword.lower(), SshdSetting()).general_where
        path = where.rpartition(":")[0]
        early = path.startswith(f"{facts.folder}/") and path.rpartition("/")[2] < DROP_IN
        matched = for_login and facts.match_where(keyword.lower())
        if (
            matched
            or where == "command line"
            or early
            or (facts.include and keyword.lower() in facts.before_include)
        ):
            return None
    return Fix(title, cost, sshd=SshdOptions(facts.config, options, for_login))


def closing_fix(gathered: Gathered, facts: SshdFacts, title: str, cost: str, **options: str) -> Fix | None:
    """Return the fix that closes a way in, or None unless a key is known to open another one."""
    return option_fix(facts, title, cost, for_login=False, **options) if _key_works(gathered) else None


def _key_works(gathered: Gathered) -> bool:
    """Return whether this link came by a key, or, on a box that needs no login, whether one is there."""
    try:
        login = gathered.of(LinkLogin)
        return (
            bool(login.key_type or login.proved) if login.needed else bool(gathered.of(LoginFacts).usable())
        )
    except CannotLook:
        return False
