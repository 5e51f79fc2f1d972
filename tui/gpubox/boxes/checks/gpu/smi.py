"""Whether nvidia-smi answers in time, and lists every card."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, hint, not_here, ok, warning
from gpubox.boxes.checks.gpu.cards import PASSED_THROUGH, counted, plural
from gpubox.boxes.checks.gpu.facts import GpuFacts, SmiGpu
from gpubox.core.sanitize import clean

_SLOW = 1.5
"""Seconds from which every start of a GPU program feels slow."""


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    smi = facts.smi
    if not smi.path:
        if facts.platform == "tegra":
            return not_here("This board has no nvidia-smi; tegrastats shows its GPU")
        return warning(
            "nvidia-smi is not installed", "Install the package that brings it, such as nvidia-utils-580"
        )
    if not smi.ran:
        return not_here("It is not asked without a driver")
    if smi.status is None:
        return _silent(facts)
    if smi.status:
        said = clean(smi.error, 160) or f"exit status {smi.status}"
        return failed(
            f"nvidia-smi fails: {said}", "sudo dmesg | grep -iE 'nvrm|xid' tells more", value="fails"
        )
    missing = _missing(facts, smi.gpus)
    if missing:
        return failed(
            f"nvidia-smi does not list {counted(missing)}",
            "sudo dmesg | grep NVRM says why; a card that needs power or a reset shows up there",
            value=f"{len(smi.gpus)} of {len(smi.gpus) + len(missing)}",
        )
    seconds = smi.seconds or 0.0
    value = str(len(smi.gpus))
    if seconds >= _SLOW:
        return hint(
            f"It lists {plural(len(smi.gpus), 'GPU')}, and takes {seconds:.1f} s",
            "Turn persistence on: sudo systemctl enable --now nvidia-persistenced",
            value=value,
        )
    return ok(f"It lists {plural(len(smi.gpus), 'GPU')} in {seconds:.1f} s", value=value)


def _silent(facts: GpuFacts) -> Result:
    held = [process for process in facts.stuck if process.gpu or "nvidia" in process.name]
    if held:
        return failed(
            f"nvidia-smi does not answer, and {clean(held[0].name, 30)} ({held[0].pid}) hangs in the kernel",
            "Reboot the box: a process that hangs in the driver cannot be ended",
            value="hangs",
        )
    return warning(
        "nvidia-smi gave no answer within 2 seconds",
        "Run `time nvidia-smi` by hand. Many cards without persistence need longer; a driver that hangs "
        "never answers",
        value="slow",
    )


def _missing(facts: GpuFacts, listed: tuple[SmiGpu, ...]) -> list[str]:
    """Return the cards of the bus that nvidia-smi should list and does not."""
    known = {gpu.address[-10:] for gpu in listed}
    ours = [card.address for card in facts.cards if card.driver not in PASSED_THROUGH]
    if facts.container or len(known) != len(listed):
        return []  # a container has some of the host's cards
    return [clean(address, 20) for address in ours if address[-10:] not in known]


CHECK = Check(
    id="gpu.smi",
    title="nvidia-smi answers in time and lists every card",
    why="nvidia-smi asks the driver as every GPU program does. When it fails, the programs do; when it "
    "hangs, a GPU or its firmware hangs, and so will they. A card that is on the bus and not in its list "
    "could not be initialized: too little power, a wrong flavor of the driver, or a defect.",
    command="time nvidia-smi",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.versions",),
)
