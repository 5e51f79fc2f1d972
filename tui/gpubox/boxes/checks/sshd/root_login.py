"""How root may log in."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.link_login import LinkLogin
from gpubox.boxes.checks.login.facts import LoginFacts, first_a_key
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import closing_fix
from gpubox.core.sanitize import clean

_KEYWORD = "permitrootlogin"
_COST = "Whoever logs in as root with a password needs a key, or an account with sudo."
_MEANINGS = {
    "no": "root cannot log in",
    "prohibit-password": "root can log in by a key only",
    "without-password": "root can log in by a key only",
    "forced-commands-only": "A key of root runs its own command only",
}


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    details = facts.details(_KEYWORD)
    setting = facts.general(_KEYWORD).lower()
    value = "prohibit-password" if setting == "without-password" else setting
    meaning = _MEANINGS.get(setting)
    yes = facts.exceptions(_KEYWORD, "yes")
    if meaning and yes:
        text = f"root can log in with a password where Match {clean(yes[0].match, 60)} applies"
        return warning(
            text, f"Change {clean(yes[0].where, 120)} to prohibit-password", value="some", details=details
        )
    if meaning:
        return ok(meaning, value=value, details=details)
    step = facts.change("PermitRootLogin prohibit-password")
    if facts.user == "root":
        step = first_a_key(gathered, step)
    if (
        facts.general("passwordauthentication") == "no"
        and facts.general("kbdinteractiveauthentication") == "no"
    ):
        return hint(
            "root may log in; only the settings for all keep passwords out",
            step,
            value="yes",
            details=details,
        )
    title = "Let root log in by a key only"
    fix = closing_fix(gathered, facts, title, _COST, PermitRootLogin="prohibit-password")
    return warning("root can log in with a password", step, value="yes", details=details, fix=fix)


CHECK = Check(
    id="sshd.root-login",
    title="root cannot log in with a password",
    why="root is the one name that every attacker knows. By default sshd lets root in by a key only, "
    "which is safe enough; `no` also leaves a trace of who became root, by sudo. If you use this "
    "panel as root, `no` locks it out: make an account with sudo and its own key first.",
    command="sudo sshd -T | grep -i permitrootlogin",
    needs=(SshdFacts, LoginFacts, LinkLogin),
    judge=_judge,
    depends_on=("sshd.server",),
)
