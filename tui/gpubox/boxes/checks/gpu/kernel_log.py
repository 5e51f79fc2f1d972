"""Whether the kernel log has other messages about GPUs, disks and memory that somebody should know."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Outcome, Result, ok, unknown
from gpubox.boxes.checks.gpu.facts import KernelFacts, KernelMessage
from gpubox.common import units
from gpubox.core.sanitize import clean

_RECENT = 7 * 86400.0
"""What is older and came to no more is a hint only."""
_MANY = 100
"""Corrected errors from which a link or a memory module is no accident."""
_BUS = "Seat the card again, and try it without its riser; sudo lspci -vv shows the link"
_DISK = "sudo smartctl -a /dev/DISK; secure the data of that disk now"
_KINDS: dict[str, tuple[Outcome, str, str]] = {
    "fallen": (
        Outcome.FAILED,
        "A card fell off the bus",
        "Reboot the box; if it comes again, check seat, riser and power",
    ),
    "needs-open": (
        Outcome.FAILED,
        "A card needs the open kernel modules",
        "Install the open flavor of the driver, such as nvidia-driver-580-open, then reboot",
    ),
    "ignored": (
        Outcome.FAILED,
        "The driver ignores a card that it does not drive",
        "Install the branch that does",
    ),
    "init": (
        Outcome.FAILED,
        "The driver could not initialize a card",
        "Reboot; if it comes again, check its power cables, then the flavor of the driver",
    ),
    "power": (
        Outcome.FAILED,
        "A card gets too little power",
        "Switch the box off, and check the card's power cables",
    ),
    "memory-fatal": (
        Outcome.FAILED,
        "The host's memory has errors that cannot be corrected",
        "Replace the module",
    ),
    "nvme-lost": (Outcome.FAILED, "An NVMe disk was lost", _DISK),
    "read-only": (Outcome.FAILED, "A file system became read-only after errors", _DISK),
    "mismatch": (Outcome.WARNING, "Programs met a driver of another version", "Reboot, when no job runs"),
    "rejected": (Outcome.WARNING, "The kernel rejected a module", "See gpu.secure-boot"),
    "lockdown": (Outcome.WARNING, "The kernel is locked down, and refused a module", "See gpu.secure-boot"),
    "pcie-fatal": (Outcome.WARNING, "A PCIe device had errors that were not corrected", _BUS),
    "oom": (
        Outcome.WARNING,
        "The box ran out of memory, and the kernel ended a program",
        "Run fewer jobs at once, or use fewer data-loading workers; free -h shows what is left",
    ),
    "nvme": (Outcome.WARNING, "An NVMe disk did not answer in time", _DISK),
    "disk": (Outcome.WARNING, "A disk has errors", _DISK),
    "blocked": (
        Outcome.WARNING,
        "A process waited for minutes",
        "A disk, a network share or a GPU did not answer",
    ),
    "lockup": (
        Outcome.WARNING,
        "A processor hung in the kernel",
        "Look for what happened before: sudo dmesg -T",
    ),
    "machine-check": (
        Outcome.WARNING,
        "The processor reported errors of the hardware",
        "sudo ras-mc-ctl --errors",
    ),
    "oops": (
        Outcome.WARNING,
        "The kernel itself failed",
        "Reboot, when no job runs: its state is not to be trusted",
    ),
    "oom-limit": (
        Outcome.HINT,
        "A program went over its own limit of memory, and was ended",
        "Raise the limit of its container or job",
    ),
    "memory": (
        Outcome.HINT,
        "The host's memory has errors that were corrected",
        "sudo ras-mc-ctl --error-count; many mean: replace it",
    ),
    "pcie": (Outcome.HINT, "A PCIe link has errors that were corrected", _BUS),
    "taken": (
        Outcome.HINT,
        "Another kernel driver owned a card when NVIDIA's came",
        "lspci -k -d 10de: names it",
    ),
    "no-card": (Outcome.HINT, "The driver found no card when it was loaded", "See gpu.bus"),
}
"""Outcome, words and step of each kind of message."""
_ORDER = (Outcome.FAILED, Outcome.WARNING, Outcome.HINT)


def _judge(gathered: Gathered) -> Result:
    kernel = gathered.of(KernelFacts)
    if not kernel.source:
        return unknown(
            f"The kernel log cannot be read: {clean(kernel.why, 160)}", "sudo dmesg -T --level=err,crit"
        )
    known = [message for message in kernel.messages if message.kind in _KINDS]
    if not known:
        return ok("Nothing of that kind in the log of this boot", value="none")
    known.sort(key=lambda message: (_ORDER.index(_outcome(message, kernel)), -(message.last or 0.0)))
    worst = known[0]
    lines = tuple(_line(message, kernel) for message in known[:12])
    details = lines if len(known) > 1 else ()
    kinds = ", ".join(list(dict.fromkeys(message.kind for message in known))[:6])
    return Result(
        _outcome(worst, kernel),
        _line(worst, kernel),
        _KINDS[worst.kind][2],
        kinds,
        (*details, clean(worst.text, 180)),
    )


def _outcome(message: KernelMessage, kernel: KernelFacts) -> Outcome:
    outcome = _KINDS[message.kind][0]
    if message.kind in ("pcie", "memory") and message.count >= _MANY:
        return Outcome.WARNING
    old = kernel.time is not None and message.last is not None and kernel.time - message.last > _RECENT
    return (
        Outcome.HINT if old and message.kind in ("oom", "blocked", "lockup", "mismatch", "nvme") else outcome
    )


def _line(message: KernelMessage, kernel: KernelFacts) -> str:
    subject = f" ({clean(message.subject, 40)})" if message.subject else ""
    times = f", {message.count} times" if message.count > 1 else ""
    when = ""
    if kernel.time is not None and message.last is not None:
        when = f", {'last ' if times else ''}{units.duration(max(0.0, kernel.time - message.last))} ago"
    return f"{_KINDS[message.kind][1]}{subject}{times}{when}"


CHECK = Check(
    id="gpu.kernel-log",
    title="The kernel log shows no failing hardware",
    why="What breaks jobs without a word often stands in the kernel log: a card that could not be "
    "initialized, a disk that stopped answering, a program that was ended because memory ran out, a file "
    "system that became read-only. The log of this boot is searched for such lines. Many boxes let only "
    "root read it.",
    command="sudo dmesg -T --level=emerg,alert,crit,err,warn",
    needs=(KernelFacts,),
    judge=_judge,
)
