"""Whether guesses of passwords are slowed down where that matters."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok
from gpubox.boxes.checks.network.facts import NetworkFacts
from gpubox.boxes.checks.sshd.facts import SshdFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(NetworkFacts)
    if facts.guards:
        text = f"{clean(facts.guards[0], 30)} runs"
        return ok(text, value=clean(facts.guards[0], 30))
    if not facts.listening:
        return not_here("No SSH server listens here")
    if not facts.public:
        return ok("None runs; the box has no public address", value="none")
    sshd = gathered.of(SshdFacts)
    keyboard = sshd.general("kbdinteractiveauthentication") == "yes" and sshd.general("usepam") == "yes"
    if sshd.general("passwordauthentication") != "yes" and not keyboard:
        return ok("None runs; the SSH server refuses passwords, so there is nothing to guess", value="none")
    text = "The box has a public address, takes passwords, and nothing shuts out those who guess them"
    return hint(text, "Better refuse passwords; else: sudo apt-get install fail2ban", value="none")


CHECK = Check(
    id="network.fail2ban",
    title="Passwords cannot be guessed for long",
    why="A public SSH server sees thousands of guesses a day. Where only keys are accepted they are noise "
    "in the log. Where passwords are accepted, fail2ban, sshguard or CrowdSec shut an address out after "
    "some failures; OpenSSH does so itself since 9.8. It costs: after a few mistyped passwords it shuts you "
    "out, too, with this panel.",
    command="systemctl status fail2ban; sudo fail2ban-client status sshd",
    needs=(NetworkFacts, SshdFacts),
    judge=_judge,
)
