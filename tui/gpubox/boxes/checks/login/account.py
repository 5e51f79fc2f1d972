"""Whether the account stays open for logins."""

from __future__ import annotations

import time

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, ok, warning
from gpubox.boxes.checks.login.facts import LoginFacts, sshd_value
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.sanitize import clean

_DAY = 86400
_SOON = 14 * _DAY


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(LoginFacts)
    user = clean(facts.user, 40)
    if facts.nologin and facts.uid != 0:
        text = f"{clean(facts.nologin, 60)} is there: nobody but root can log in"
        return failed(
            text,
            f"cat {clean(facts.nologin, 60)}; it goes away after the boot or the shutdown",
            value="nologin",
        )
    ends = facts.account_ends
    if ends is not None and ends < facts.time + _SOON:
        step = f"sudo chage -E -1 {user}"
        if ends < facts.time:
            return failed(f"The account ended on {_date(ends)}", step, value="ended")
        return warning(f"The account ends on {_date(ends)}", step, value="ends")
    if facts.shell_runs is False:
        text = f"Its shell {clean(facts.shell, 80)} cannot be run"
        return failed(text, f"sudo usermod -s /bin/bash {user}", value="shell")
    if facts.password_overdue:
        return warning(
            "The next login asks for a new password, which the panel cannot give", "passwd", value="overdue"
        )
    return _later(gathered, facts, user)


def _later(gathered: Gathered, facts: LoginFacts, user: str) -> Result:
    """Judge what keeps the account out under other circumstances only."""
    ends = facts.password_ends
    if ends is not None and ends < facts.time + _SOON:
        verb = "expired" if ends < facts.time else "expires"
        text = f"The password {verb} on {_date(ends)}: then logins wait for a new one, those by a key as well"
        return warning(text, "passwd", value="password expires")
    if facts.password == "NP":
        return warning(
            "The account has no password",
            f"sudo passwd {user}, or lock it: sudo passwd -l {user}",
            value="no password",
        )
    if facts.password == "L" and sshd_value(gathered, "usepam", "yes").lower() == "no":
        text = "The password is locked, and without PAM sshd may refuse the keys of such an account"
        return hint(text, f"sudo usermod -p '*' {user}", value="locked")
    if facts.shell_listed is False:
        text = f"/etc/shells lacks its shell {clean(facts.shell, 80)}, and some services refuse such accounts"
        return hint(text, f"echo {clean(facts.shell, 80)} | sudo tee -a /etc/shells", value="shell")
    return ok(f"{user} can log in, with {clean(facts.shell, 80) or 'its shell'}", value="open")


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


CHECK = Check(
    id="login.account",
    title="The account stays open",
    why="An account or a password with a date of expiry keeps even a key out when that day comes: PAM "
    "asks for a new password first, and a program cannot give it. A shell that is missing, as after "
    "zsh was removed, ends each login at once. /etc/nologin keeps everyone but root out while a "
    "machine is shut down, and sometimes stays.",
    command="chage -l $USER; getent passwd $USER; cat /etc/shells; ls /run/nologin",
    needs=(LoginFacts, SshdFacts),
    judge=_judge,
)
