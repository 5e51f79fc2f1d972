"""Whether the driver stays initialized while no program uses a GPU."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown
from gpubox.boxes.checks.fix import Fix
from gpubox.boxes.checks.gpu.cards import plural
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.boxes.checks.unit_state import start_commands


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if facts.platform:
        return not_here("The host's system looks after that")
    known = [gpu.persistence for gpu in facts.smi.gpus if gpu.persistence is not None]
    off = known.count(False)
    if known and not off:
        way = (
            "by nvidia-persistenced"
            if facts.persistenced
            else "until the next reboot, without nvidia-persistenced"
        )
        return ok(f"It is on for {plural(len(known), 'GPU')}, {way}", value="on")
    if facts.container:
        return not_here("The host looks after that")
    if not facts.headless:
        return ok("A desktop holds the driver open", value="desktop")
    if not known:
        return unknown("nvidia-smi does not say it", "nvidia-smi --query-gpu=persistence_mode --format=csv")
    return hint(
        f"It is off for {off} of {plural(len(known), 'GPU')}: each first program waits until the card is "
        "awake",
        _step(facts),
        value="off",
        fix=_fix(facts),
    )


def _step(facts: GpuFacts) -> str:
    unit = facts.persistence_unit
    if facts.persistenced or (unit is not None and unit.file == "static"):
        # Ubuntu's package starts its daemon by udev, with an option that leaves the mode off.
        return (
            "sudo nvidia-smi -pm 1 turns it on until the next reboot; the daemon may be started with "
            "--no-persistence-mode: systemctl cat nvidia-persistenced"
        )
    return "sudo systemctl enable --now nvidia-persistenced"


def _fix(facts: GpuFacts) -> Fix | None:
    commands = start_commands(facts.persistence_unit)
    cost = "The cards take a few watts more while nobody uses them."
    return Fix("Keep the driver awake", cost, commands=commands) if commands else None


CHECK = Check(
    id="gpu.persistence",
    title="The driver stays awake between programs",
    why="When the last program leaves a GPU, the driver switches the card off, and the next program waits "
    "a second or more per card for it; limits of power and clocks that were set by hand are lost as well. "
    "The daemon nvidia-persistenced keeps the card initialized, for a few watts. `nvidia-smi -pm 1` does "
    "the same until the next reboot.",
    command="nvidia-smi --query-gpu=persistence_mode --format=csv; systemctl status nvidia-persistenced",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.smi",),
)
