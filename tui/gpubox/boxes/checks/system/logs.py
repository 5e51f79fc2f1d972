"""Whether the log of the system outlives a reboot."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown
from gpubox.boxes.checks.system.facts import SystemFacts


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if facts.log in ("journal", "syslog"):
        return ok(f"The {facts.log} is on the disk", value=facts.log)
    if facts.bare:
        return not_here("The log belongs to the host of the container")
    if facts.log == "memory":
        return hint(
            "The journal is in memory only, and gone after a reboot",
            "sudo mkdir -p /var/log/journal && sudo systemd-tmpfiles --create --prefix /var/log/journal && "
            "sudo journalctl --flush",
            value="memory",
        )
    return unknown("No log of the system was found", "journalctl --header; ls /var/log")


CHECK = Check(
    id="system.logs",
    title="The log outlives a reboot",
    why="After a box hung and was restarted, only the log of the boot before says why: an Xid of a GPU, "
    "memory that ran out, a disk that failed. The journal keeps it if the folder /var/log/journal exists, "
    "and takes at most a tenth of that disk, 4 GB at most.",
    command="journalctl --list-boots; journalctl --disk-usage",
    needs=(SystemFacts,),
    judge=_judge,
)
