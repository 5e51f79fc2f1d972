"""Whether a password is enough to log in."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, ok, warning
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.login.facts import LoginFacts, first_a_key
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import closing_fix
from gpubox.core.sanitize import clean

_KEYWORD = "passwordauthentication"
_COST = "Only keys log in. A new machine then needs its key added from one that has access."


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    details = facts.details(_KEYWORD)
    yes = facts.exceptions(_KEYWORD, "yes")
    if facts.general(_KEYWORD) == "no":
        if yes:
            text = f"They are refused, but not by Match {clean(yes[0].match, 60)}"
            step = first_a_key(
                gathered, f"Remove {clean(yes[0].where, 120)}, if nobody there needs a password"
            )
            return warning(text, step, value="some", details=details)
        return ok("A password is refused", value="no", details=details)
    if not facts.alone("password"):
        return ok("A password counts only together with another proof", value="with another", details=details)
    step = first_a_key(gathered, facts.change("PasswordAuthentication no"))
    options = {"PasswordAuthentication": "no"}
    if not facts.second_factor:  # it would ask for the same password
        options["KbdInteractiveAuthentication"] = "no"
    fix = closing_fix(gathered, facts, "Refuse passwords", _COST, **options)
    if facts.general("permitemptypasswords") == "yes":
        text = "A password is enough, even an empty one"
        return failed(text, step, value="yes", details=details, fix=fix)
    return warning("A password is enough to log in", step, value="yes", details=details, fix=fix)


CHECK = Check(
    id="sshd.passwords",
    title="Passwords are refused",
    why="A box with a public address gets thousands of guesses a day, and one weak password of any "
    "account is enough. Keys cannot be guessed. Turn off KbdInteractiveAuthentication as well: with "
    "UsePAM it asks for the same password. Make sure first that a key logs you in, also from your "
    "other machines; a new machine then needs its key added from one that has access. It costs this "
    "panel nothing.",
    command="sudo sshd -T | grep -i passwordauthentication",
    needs=(SshdFacts, LoginFacts, LinkLogin),
    judge=_judge,
    depends_on=("sshd.server",),
)
