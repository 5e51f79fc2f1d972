"""Whether services of the user outlive the last login."""

from __future__ import annotations

from shlex import quote

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.fix import Fix, UndoableCommand
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.core.sanitize import clean

_FIX = Fix(
    "Let services outlive the last login",
    "The user's own systemd runs from boot on, which takes a few MB.",
    needs_root=False,
    commands=(UndoableCommand(("loginctl", "enable-linger"), ("loginctl", "disable-linger")),),
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if not facts.systemd:
        return not_here("systemd does not run this box")
    if facts.linger:
        return ok(f"Services of {clean(facts.user, 40)} outlive the last login", value="yes")
    return hint(
        f"Services of {clean(facts.user, 40)} end with the last login",
        f"loginctl enable-linger {quote(clean(facts.user, 40))}; some distributions want sudo for it",
        value="no",
        fix=_FIX,
    )


CHECK = Check(
    id="system.linger",
    title="Services of the user outlive the last login",
    why="Units of `systemctl --user`, such as a Jupyter server or a monitor, stop about 10 seconds after "
    "the last login ends, and do not start at boot, unless the user lingers. It costs a few MB for the "
    "user's own systemd. Jobs of this panel need it only where logind kills the processes of ended logins.",
    command="loginctl show-user $USER -p Linger",
    needs=(SystemFacts,),
    judge=_judge,
)
