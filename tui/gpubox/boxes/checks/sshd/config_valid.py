"""Whether sshd accepts its configuration: with a broken one it does not start again."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.sanitize import clean

_SEPARATION = "privilege separation directory"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    if not facts.installed:
        return not_here("OpenSSH's server is not installed here")
    if facts.exact:
        return ok(f"sshd reads {clean(facts.config, 120)} without a complaint", value="valid")
    if not facts.error:
        return unknown("Only root can let sshd look at it", "sudo sshd -t")
    unused = not facts.listens and facts.server != "sshd" and not any(unit.active for unit in facts.units)
    if unused and ("hostkeys" in facts.error or _SEPARATION in facts.error):
        return not_here("OpenSSH's server was never started here")
    if _SEPARATION in facts.error:
        text = "sshd looks at nothing while /run/sshd is missing"
        return hint(text, "sudo mkdir -m 755 /run/sshd && sudo sshd -t", value="not tested")
    if not facts.root and "ermission denied" in facts.error:
        return unknown("Only root can read all of it", "sudo sshd -t")
    if "hostkeys" in facts.error:
        return failed(
            "The server has no host key that it can read", "sudo ssh-keygen -A", value="no host key"
        )
    text = f"sshd refuses it: {clean(facts.error, 200)}"
    return failed(text, "Repair that line before sshd is reloaded: `sudo sshd -t` names it", value="broken")


CHECK = Check(
    id="sshd.config-valid",
    title="The SSH server accepts its configuration",
    why="sshd that is reloaded or restarted with a broken file ends. Open logins live on, and no new "
    "one is possible. `sshd -t` reads everything and changes nothing; run it before each reload. A "
    "setting that is only allowed outside a Match, such as UsePAM, makes the whole file invalid.",
    command="sudo sshd -t && echo valid",
    needs=(SshdFacts,),
    judge=_judge,
)
