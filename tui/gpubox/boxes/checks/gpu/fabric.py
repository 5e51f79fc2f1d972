"""Whether the service that NVSwitches need runs."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok, unknown
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.gpu.cards import driver_version, plural
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.boxes.checks.unit_state import start_commands
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if not facts.nvswitches:
        return not_here("The box has no NVSwitch")
    switches = plural(facts.nvswitches, "NVSwitch").replace("NVSwitchs", "NVSwitches")
    match facts.fabric_manager:
        case "active":
            return ok(f"It runs, for {switches}", value="active")
        case _ if facts.container:
            return not_here("The host looks after its NVSwitches")
        case "missing":
            return failed(
                f"The box has {switches}, and nvidia-fabricmanager is not installed",
                "Install nvidia-fabricmanager of exactly the driver's version, then "
                "sudo systemctl enable --now nvidia-fabricmanager",
                value="missing",
            )
        case "":
            return unknown("Its state cannot be read", "systemctl status nvidia-fabricmanager")
        case state if facts.fabric_version not in ("", driver_version(facts)):
            return failed(
                f"nvidia-fabricmanager is {clean(facts.fabric_version, 20)}, and the driver is "
                f"{clean(driver_version(facts), 20)}",
                "Install nvidia-fabricmanager of exactly the driver's version",
                value=state,
            )
        case state:
            return failed(
                f"The box has {switches}, and nvidia-fabricmanager is {clean(state, 20)}",
                "sudo systemctl enable --now nvidia-fabricmanager; journalctl -u nvidia-fabricmanager says "
                "why it ended: its version has to be that of the driver",
                value=state,
                fix=_fix(facts),
            )


def _fix(facts: GpuFacts) -> Fix | None:
    """Return the fix that starts the service; one of another version than the driver would end again."""
    fits = facts.fabric_version and facts.fabric_version == driver_version(facts)
    commands = start_commands(facts.fabric_unit) if fits else ()
    cost = "GPU programs that run meanwhile may have to be started again."
    return Fix("Start the fabric manager", cost, commands=commands) if commands else None


CHECK = Check(
    id="gpu.fabric",
    title="The fabric manager runs",
    why="Boxes with NVSwitches, such as HGX and DGX, join their GPUs by the service nvidia-fabricmanager. "
    "Without it, or with one of another version than the driver, CUDA does not start at all: `system not "
    "yet initialized`.",
    command="systemctl status nvidia-fabricmanager; lspci -d 10de: | grep -i bridge",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.driver",),
)
