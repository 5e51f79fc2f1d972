"""Whether the flavor of the kernel modules, open or proprietary, drives the cards."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok
from gpubox.boxes.checks.gpu.branches import OPEN_ONLY, PROPRIETARY_ONLY
from gpubox.boxes.checks.gpu.cards import GpuCard, cards_of, counted
from gpubox.boxes.checks.gpu.facts import GpuFacts


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if facts.platform or not facts.flavor:
        return not_here("The driver belongs to the host's system")
    cards = cards_of(facts)
    needs_open = [card.name for card in cards if _needs_open(card)]
    needs_proprietary = [card.name for card in cards if card.architecture in PROPRIETARY_ONLY]
    if needs_open and needs_proprietary:
        return failed(
            f"{counted(needs_open)} needs the open modules, {counted(needs_proprietary)} the proprietary one",
            "No driver runs both: pass one of them to a virtual machine, or give it a box of its own",
            value=facts.flavor,
        )
    if needs_open and facts.flavor == "proprietary":
        return failed(
            f"{counted(needs_open)} needs the open kernel modules, and the proprietary one is loaded",
            "Install the open flavor of the same branch, such as nvidia-driver-580-open, then reboot",
            value=facts.flavor,
        )
    if needs_proprietary and facts.flavor == "open":
        return failed(
            f"{counted(needs_proprietary)} needs the proprietary kernel module, and the open ones are loaded",
            "Install the package without -open in its name, of branch 580 at most, then reboot",
            value=facts.flavor,
        )
    unknown = [card.name for card in cards if not card.architecture]
    more = f"; {counted(unknown)} is not in our table" if unknown else ""
    return ok(f"The {facts.flavor} kernel module is loaded{more}", value=facts.flavor)


def _needs_open(card: GpuCard) -> bool:
    return card.architecture in OPEN_ONLY or "GH200" in card.name


CHECK = Check(
    id="gpu.flavor",
    title="The kernel modules are of the flavor that the cards need",
    why="NVIDIA ships its kernel modules twice. Cards up to Volta need the proprietary one; Blackwell and "
    "Grace Hopper are driven by the open ones alone; Turing to Hopper run with both, and the open ones are "
    "what NVIDIA suggests since branch 560. With the wrong flavor the driver loads and finds no GPU.",
    command="cat /proc/driver/nvidia/version; modinfo -F license nvidia",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.driver",),
)
