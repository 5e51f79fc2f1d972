"""Whether something keeps the clock right."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok, unknown, warning
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.system.facts import SystemFacts
from gpubox.boxes.checks.unit_state import start_commands

_STEP = "sudo timedatectl set-ntp true (packages: systemd-timesyncd or chrony)"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    clients = ", ".join(facts.clock_clients)
    if facts.bare:
        return not_here("Its clock belongs to the host of the container")
    if facts.synced:
        return ok(f"The clock is synchronized{f' by {clients}' if clients else ''}", value="yes")
    if facts.synced is None:
        if clients:
            return ok(
                f"{clients} runs; the box does not say whether the clock is synchronized", value=clients
            )
        return unknown("The box does not say whether its clock is synchronized", "timedatectl")
    if clients:
        return warning(
            f"The clock is not synchronized, although {clients} runs",
            "chronyc -n tracking or timedatectl timesync-status: is the server of the time reached?",
            value="no",
        )
    return warning("Nothing that is known here keeps the clock right", _STEP, value="no", fix=_fix(facts))


def _fix(facts: SystemFacts) -> Fix | None:
    """Return the fix that starts the one service that is installed for it.

    `timedatectl set-ntp` would also disable other such services, and its undo those that were enabled before.
    """
    commands = start_commands(facts.clock_units[0]) if len(facts.clock_units) == 1 else ()
    if not commands:
        return None
    cost = "A client of NTP asks a few servers on port 123, a few times an hour."
    return Fix("Keep the clock right by the network", cost, commands=commands)


CHECK = Check(
    id="system.time",
    title="The clock is kept right by the network",
    why="A clock that drifts makes certificates look expired, one-time codes of logins wrong, and times "
    "in logs of two machines impossible to compare. `make` and caches of compilers rely on it, too. A "
    "client of NTP asks a few servers on port 123 a few times an hour.",
    command="timedatectl",
    needs=(SystemFacts,),
    judge=_judge,
)
