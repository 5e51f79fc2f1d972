"""Whether security updates are installed."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.system.facts import SystemFacts, Updates
from gpubox.common.units import duration
from gpubox.core.sanitize import clean

_OLD = 14 * 86400.0
_AUTOMATIC = {
    "apt": "sudo apt install unattended-upgrades && sudo dpkg-reconfigure -plow unattended-upgrades",
    "dnf": "sudo dnf install dnf-automatic && sudo systemctl enable --now dnf-automatic-install.timer",
}
_INSTALL = {
    "apt": "sudo apt update && sudo apt upgrade, when no job runs",
    "dnf": "sudo dnf upgrade --security, when no job runs",
    "pacman": "sudo pacman -Syu, when no job runs",
}


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    updates = facts.updates
    if facts.bare:
        return not_here("Its updates come with the image of the container")
    if updates is None:
        return unknown("The package manager did not answer in time")
    if updates.manager not in _INSTALL:
        name = updates.manager or "its package manager"
        return unknown(
            f"Updates of {clean(name, 20)} are not read here",
            "zypper list-patches, or: apk list --upgradable",
        )
    return _judged(updates)


def _judged(updates: Updates) -> Result:
    age = updates.lists_age
    by_itself = "security updates are installed by themselves"
    waiting = _counted(updates)
    value = {True: "automatic", False: "by hand", None: "not known"}[updates.automatic]
    if updates.security:
        if updates.automatic:
            return ok(f"{waiting}, and {by_itself}", value=value)
        return warning(waiting, _INSTALL[updates.manager], value=value)
    if age is not None and age > _OLD:
        text = f"Nobody looked for updates for {duration(age)}"
        return warning(text, _INSTALL[updates.manager], value=value)
    if updates.automatic is False:
        text = f"{waiting or 'How many updates wait is not known'}, and none is installed by itself"
        return hint(text, _AUTOMATIC[updates.manager], value=value)
    if not waiting and updates.automatic is None:
        return unknown("Neither the waiting updates nor the settings for them can be read")
    return ok(waiting or by_itself.capitalize(), value=value)


def _counted(updates: Updates) -> str:
    """Return in words what waits; empty when that is not known."""
    if updates.pending is None:
        return ""
    if not updates.pending:
        return "No update waits"
    noun = "update waits" if updates.pending == 1 else "updates wait"
    if updates.security is None:
        return f"{updates.pending} {noun}"
    return f"{updates.pending} {noun}, {updates.security or 'none'} of them for security"


CHECK = Check(
    id="system.updates",
    title="Security updates are installed",
    why="A box that is reached from the internet is attacked by what was published last week. Security "
    "updates that install themselves close that without anybody thinking of it. They may also replace the "
    "driver of the GPU under a running training: leave the packages of NVIDIA out of them, and update "
    "those by hand.",
    command="apt list --upgradable; systemctl list-timers",
    needs=(SystemFacts,),
    judge=_judge,
)
