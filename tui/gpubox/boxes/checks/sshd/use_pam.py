"""Whether a login goes through PAM, which makes its session."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok, warning
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdSetting
from gpubox.boxes.checks.sshd.options import option_fix

_KEYWORD = "usepam"
_COST = (
    "What PAM asks of a login counts: limits, dates of expiry, /etc/nologin. A locked account is let in by "
    "its key, which sshd alone refuses."
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    details = facts.details(_KEYWORD)
    if facts.general(_KEYWORD) == "yes":
        return ok("A login goes through PAM", value="yes", details=details)
    step = facts.change("UsePAM yes")
    if facts.init == "systemd":
        text = "A login has no session of systemd: no user services, and no limits of its own"
        return warning(text, step, value="no", details=details, fix=_fix(facts))
    return hint("A login does not go through PAM", step, value="no", details=details)


def _fix(facts: SshdFacts) -> Fix | None:
    """Return the fix, or None where this sshd may have no PAM, or PAM no rules for it.

    sshd prints UsePAM only when it was built with PAM. Where passwords are refused PAM must not ask for one.
    """
    printed = facts.exact and facts.settings.get(_KEYWORD, SshdSetting()).value
    if not facts.pam or not printed:
        return None
    options = {"UsePAM": "yes"}
    if facts.general("passwordauthentication") == "no":
        options["KbdInteractiveAuthentication"] = "no"
    return option_fix(facts, "Let logins go through PAM", _COST, for_login=False, **options)


CHECK = Check(
    id="sshd.use-pam",
    title="A login goes through PAM",
    why="PAM makes the session of a login: XDG_RUNTIME_DIR and `systemctl --user`, limits of memory and "
    "open files, expiry of accounts. Without it user services and desktops that need them do not "
    "start, and a locked account is refused even with a key. OpenSSH itself leaves it off; Debian, "
    "Ubuntu, Fedora and Arch turn it on in their files. With UsePAM turn off "
    "KbdInteractiveAuthentication too, else it takes passwords.",
    command="sudo sshd -T | grep -i usepam; loginctl session-status",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
