"""Whether an NVIDIA card is on the PCI bus, and answers there."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, failed, not_here, ok
from gpubox.boxes.checks.gpu.cards import PASSED_THROUGH, cards_of, counted, plural
from gpubox.boxes.checks.gpu.facts import GpuFacts

_PLATFORMS = {
    "wsl": "Windows passes its GPU to this Linux",
    "tegra": "The GPU is part of the processor",
}


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    gone = [card.address for card in facts.cards if card.answers is False]
    if gone:
        return failed(
            f"{counted(gone)} does not answer any more: the card fell off the bus",
            "Reboot the box. If it comes again, check the seat of the card, its riser and its power cables",
            value=f"{len(gone)} lost",
        )
    names = [card.name for card in cards_of(facts)]
    passed = [card for card in facts.cards if card.driver in PASSED_THROUGH]
    if passed and len(passed) == len(facts.cards):
        return not_here(
            f"{plural(len(passed), 'card')} passed through to virtual machines: none is for this system"
        )
    if facts.cards:
        places = tuple(f"{card.address}  {card.name}" for card in cards_of(facts))
        return ok(counted(names), value=counted(names), details=places if len(places) > 1 else ())
    if facts.platform:
        return ok(f"{_PLATFORMS.get(facts.platform, facts.platform)}{_listed(names)}", value=counted(names))
    if facts.nodes or facts.version:
        return ok(f"The driver is here, the PCI bus is not shown{_listed(names)}", value=counted(names))
    return not_here("No NVIDIA card is on the PCI bus")


def _listed(names: list[str]) -> str:
    return f": {counted(names)}" if names else ""


CHECK = Check(
    id="gpu.bus",
    title="An NVIDIA card is on the bus",
    why="Nothing else about a GPU can work before the card is seen on the PCI bus. A card that is missing "
    "has no power, sits badly, or was not passed to this virtual machine. One that was there and answers "
    "with ones only fell off the bus: heat, power or a riser are the usual causes, and only a reboot "
    "brings it back.",
    command="lspci -d 10de: -nn",
    needs=(GpuFacts,),
    judge=_judge,
)
