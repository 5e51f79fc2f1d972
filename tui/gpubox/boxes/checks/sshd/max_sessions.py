"""How many commands and shells one login may have."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, ok, warning
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.boxes.checks.sshd.options import option_fix

_KEYWORD = "maxsessions"
_NEEDED, _DEFAULT = 2, 10


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    sessions = facts.number(_KEYWORD)
    details = facts.details(_KEYWORD)
    step = facts.change(f"MaxSessions {_DEFAULT}", for_login=True)
    fix = option_fix(
        facts,
        "Allow ten sessions",
        "One login may run more at a time.",
        for_login=True,
        MaxSessions=str(_DEFAULT),
    )
    if sessions < 1:
        text = "A login may run no command at all"
        return failed(text, step, value=str(sessions), details=details, fix=fix)
    if sessions < _NEEDED:
        text = "A login may run one command at a time: the panel gets figures, and nothing beside them"
        return warning(text, step, value=str(sessions), details=details, fix=fix)
    if sessions < _DEFAULT:
        text = f"A login may run {sessions} commands at a time"
        return hint(
            f"{text}: shells and logs beside the panel are soon refused",
            step,
            value=str(sessions),
            details=details,
            fix=fix,
        )
    return ok(f"A login may run {sessions} commands at a time", value=str(sessions), details=details)


CHECK = Check(
    id="sshd.max-sessions",
    title="One login may run enough commands at a time",
    why="The panel logs in once and does everything over that link: figures, shells, logs, transfers, "
    "each a session of its own. It needs 2 at least; sshd allows 10 unless someone lowered it. "
    "Tunnels do not count. A low number protects nothing, since anyone may log in several times.",
    command="sudo sshd -T | grep -i maxsessions",
    needs=(SshdFacts,),
    judge=_judge,
    depends_on=("sshd.server",),
)
