"""Whether the box waits for a reboot."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, ok, warning
from gpubox.boxes.checks.system.facts import SystemFacts, kernel_version

_STEP = "sudo reboot, when no job runs"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(SystemFacts)
    if facts.reboot:
        names = ", ".join(facts.reboot_packages[:3])
        return warning(f"Updates wait for a reboot{f': {names}' if names else ''}", _STEP, value="yes")
    if facts.container:
        return ok("Its kernel belongs to the host of the container", value="no")
    if facts.kernels and facts.kernel not in facts.kernels:
        text = f"The modules of the running kernel {facts.kernel} are gone: drivers cannot be loaded any more"
        return warning(text, _STEP, value="yes")
    newest = facts.newest_kernel
    if kernel_version(newest) > kernel_version(facts.kernel):
        return warning(f"Kernel {facts.kernel} runs, {newest} is installed", _STEP, value="yes")
    return ok(f"The newest installed kernel runs, {facts.kernel}", value="no")


CHECK = Check(
    id="system.reboot",
    title="No reboot is pending",
    why="After an update of the kernel or the driver the old one runs on until a reboot. A driver that "
    "was updated under the running kernel refuses new GPU programs, with `Driver/library version "
    "mismatch`, and a kernel whose modules are gone loads no driver. Reboot at a time of your choice, "
    "before chance does.",
    command="uname -r; ls /lib/modules; cat /run/reboot-required.pkgs",
    needs=(SystemFacts,),
    judge=_judge,
)
