"""Whether the SSH server takes new logins, and is started at boot."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.fix import Fix, UndoableCommand
from gpubox.boxes.checks.sshd.facts import SshdFacts, SshdUnit
from gpubox.core.sanitize import clean

_OTHERS = {"dropbear": "Dropbear", "tailscaled": "Tailscale's own SSH server"}

_UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SshdFacts)
    active = [unit for unit in facts.units if unit.active]
    if not facts.listens and not active:
        return _absent(facts)
    details = (f"OpenSSH {facts.version or '?'}", f"configured by {facts.config}")
    names = ", ".join(clean(unit.name, 40) for unit in active[:3])
    late = [unit for unit in active if unit.reload]
    if late:
        text = f"The file of {clean(late[0].name, 40)} changed, and systemd has not read it"
        return hint(text, "sudo systemctl daemon-reload", value="changed", details=details)
    boot = [unit for unit in facts.units if unit.file_state.startswith(("enabled", "static", "generated"))]
    if active and not boot:
        unit = next((unit for unit in active if unit.name.endswith(".socket")), active[0])
        step = f"sudo systemctl enable {clean(unit.name, 40)}"
        text, fix = f"{names} runs, and is not started at boot", _fix(unit, facts)
        return warning(text, step, value="not at boot", details=details, fix=fix)
    sockets = [unit.name for unit in active if unit.name.endswith(".socket")]
    if sockets:
        text = f"{clean(sockets[0], 40)} waits for logins and starts the server"
        return ok(text, value="socket", details=details)
    return ok(f"It runs{f', as {names}' if names else ''}", value="service", details=details)


def _fix(unit: SshdUnit, facts: SshdFacts) -> Fix | None:
    """Return the fix that lets a unit start at boot; a socket starts the server, so it goes before that."""
    if facts.init != "systemd" or unit.name not in _UNITS or unit.file_state != "disabled":
        return None
    commands = (UndoableCommand(("systemctl", "enable", unit.name), ("systemctl", "disable", unit.name)),)
    cost = "The box takes logins as soon as it has started. The server that runs now is left alone."
    return Fix("Start the SSH server at boot", cost, commands=commands)


def _absent(facts: SshdFacts) -> Result:
    other = _OTHERS.get(facts.server)
    if other:
        return not_here(f"{other} let you in, and OpenSSH's server does not run")
    if facts.server == "sshd" and facts.listens is False:
        return failed(
            "The server let you in and has ended since: nobody can log in any more",
            f"Keep this login open. Run `sudo sshd -t`, repair what it names, then `{_start(facts)}`",
            value="ended",
        )
    if facts.listens is None and (facts.server == "sshd" or facts.installed):
        return unknown("The box hides the processes of other users", "sudo systemctl status ssh sshd")
    if not facts.installed:
        return not_here("OpenSSH's server is not installed here")
    return not_here("OpenSSH's server does not run here")


def _start(facts: SshdFacts) -> str:
    names = [clean(unit.name, 40) for unit in facts.units if not unit.name.endswith(".socket")]
    name = (names or ["sshd"])[0].removesuffix(".service")
    return {
        "systemd": f"sudo systemctl start {name}",
        "openrc": f"sudo rc-service {name} start",
        "sysv": f"sudo service {name} start",
    }.get(facts.init, "sudo /usr/sbin/sshd")


CHECK = Check(
    id="sshd.server",
    title="The SSH server runs and is started at boot",
    why="Everything here goes over it. A server that ended keeps open logins alive, so that nothing "
    "seems wrong until the next one fails: that happens when it is reloaded with a broken file. "
    "Debian and Ubuntu call the unit `ssh`, others `sshd`. Ubuntu since 22.10 starts it by "
    "`ssh.socket`: after a change of Port or ListenAddress run `sudo systemctl daemon-reload` and "
    "`sudo systemctl restart ssh.socket` there.",
    command="systemctl status ssh sshd ssh.socket; pgrep -a -x sshd",
    needs=(SshdFacts,),
    judge=_judge,
)
