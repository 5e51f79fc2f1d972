"""Whether keyboard-interactive lets passwords in by another way."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.login.facts import LoginFacts, first_a_key
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import closing_fix
from gpubox.core.sanitize import clean

_KEYWORD = "kbdinteractiveauthentication"
_COST = "Nothing asks questions at a login any more: no password by PAM, and no code."


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    details = facts.details(_KEYWORD, "usepam")
    if facts.general(_KEYWORD) == "no":
        return ok("It is off", value="no", details=details)
    if facts.general("usepam") == "no":
        return ok("It is on, and without PAM there is nobody to ask", value="yes", details=details)
    if facts.second_factor:
        text = f"It asks for a second factor, by {clean(facts.second_factor, 40)}"
        return ok(text, value="second factor", details=details)
    if not facts.alone("keyboard-interactive"):
        return ok("It counts only together with another proof", value="with another", details=details)
    step = first_a_key(gathered, facts.change("KbdInteractiveAuthentication no"))
    title = "Turn keyboard-interactive off"
    fix = closing_fix(gathered, facts, title, _COST, KbdInteractiveAuthentication="no")
    if facts.general("passwordauthentication") == "no":
        text = "Passwords are off, and it takes the same passwords by PAM"
        return warning(text, step, value="yes", details=details, fix=fix)
    text = "It takes passwords, as PasswordAuthentication does"
    return hint(text, step, value="yes", details=details, fix=fix)


CHECK = Check(
    id="sshd.keyboard-interactive",
    title="Keyboard-interactive does not let passwords in",
    why="Keyboard-interactive asks whatever PAM asks, which on most boxes is the password of the "
    "account. So `PasswordAuthentication no` alone leaves passwords possible. Leave it on where it "
    "asks for a code of a second factor; this panel asks you for that code. Older versions call it "
    "ChallengeResponseAuthentication.",
    command="sudo sshd -T | grep -iE 'kbdinteractive|usepam'",
    needs=(SshdFacts, LoginFacts, LinkLogin),
    judge=_judge,
    depends_on=("sshd.server",),
)
