"""Whether the SSH server listens where its configuration says."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.network.facts import NetworkFacts
from gpubox.core.sanitize import clean

_RESTART = "sudo systemctl daemon-reload; then restart ssh.socket where that is enabled, else ssh or sshd"
_USUAL = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config", "")
"""The files of the sshd that the system starts."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(NetworkFacts)
    listening = sorted({one.port for one in facts.listening if not one.other})
    if not listening:
        if facts.connection is not None:
            text = (
                f"This login came in at port {facts.connection.port}, and nothing listens there that is seen"
            )
            return unknown(text, "sudo ss -tlnp | grep ssh")
        if facts.listening:
            return not_here("The SSH servers that listen here have other configurations than the usual one")
        return not_here("No SSH server listens here")
    value = ", ".join(map(str, listening[:4]))
    details = () if facts.config in _USUAL else (f"configured by {clean(facts.config, 120)}",)
    missing = [port for port in facts.ports or () if port not in listening]
    if missing:
        text = f"It is configured for port {missing[0]}, and listens on {value}"
        step = f"Restart the sshd with {clean(facts.config, 120)}; this login stays" if details else _RESTART
        return warning(text, step, value=value, details=details)
    if not set(facts.ssh_ports) & set(listening):
        return ok(f"Port {value}, for the box itself only", value=value, details=details)
    if facts.ports is not None and (extra := [port for port in listening if port not in facts.ports]):
        text = f"It listens on port {extra[0]} as well, which its configuration does not name"
        return hint(text, "sudo ss -tlnp | grep ssh shows who", value=value, details=details)
    where = "on all addresses" if facts.everywhere else "on some of its addresses"
    return ok(f"Port {value} {where}", value=value, details=details)


CHECK = Check(
    id="network.ssh-port",
    title="The SSH server listens where its configuration says",
    why="A changed port takes effect when the server is restarted, and with socket activation (ssh.socket, "
    "usual on Ubuntu since 22.10) only when systemd has read it again. Until then the firewall and the "
    "router may be set to a port on which nobody answers. Another port than 22 hides nothing; it only makes "
    "the log shorter. Where several sshd run, the one that let you in is compared with its own files.",
    command="sudo ss -tlnp | grep ssh; grep -ri '^ *port' /etc/ssh/sshd_config /etc/ssh/sshd_config.d",
    needs=(NetworkFacts,),
    judge=_judge,
)
