"""Whether each card has the PCIe lanes that card and slot can give."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.gpu.cards import PASSED_THROUGH, plural
from gpubox.boxes.checks.gpu.facts import GpuFacts, PciCard
from gpubox.core.sanitize import clean

_SHARED = 8
"""Two cards on a desktop board share its lanes: 8 of 16 is how it was built."""
_BUSY = ("P0", "P1", "P2")
"""States in which the link runs at full speed; an idle card slows it down on purpose."""
_STEP = "Seat the card again; try another slot, and without a riser"


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    known = [c for c in facts.cards if c.driver not in PASSED_THROUGH and c.width and c.width_max]
    if facts.platform or not facts.cards:
        return not_here("The GPU is not on a PCIe link of this system")
    if not known:
        return unknown(
            "The kernel does not say the width of the links", "sudo lspci -d 10de: -vv | grep LnkSta"
        )
    lines = tuple(_line(card) for card in known)
    value = ", ".join(f"x{card.width}" for card in known)[:60]
    faulty = [card for card in known if (card.width or 0) < _best(card)]
    narrow = [card for card in faulty if (card.width or 0) < _SHARED]
    if narrow:
        return warning(f"{_line(narrow[0])}: lanes are missing", _STEP, value=value, details=lines)
    if faulty:
        return hint(
            f"{_line(faulty[0])}: that is normal where two slots share lanes",
            f"If the slot should have x{_best(faulty[0])}: {_STEP[0].lower()}{_STEP[1:]}",
            value=value,
            details=lines,
        )
    slow = [card for card in known if _busy(card, facts) and card.speed and card.speed < _best_speed(card)]
    if slow:
        return hint(
            f"{_line(slow[0])}, of {_best_speed(slow[0]):g} GT/s, while it works",
            "Look at it again under load: `nvidia-smi -q | grep -A 12 'GPU Link Info'`. A riser may not "
            "carry more",
            value=value,
            details=lines,
        )
    small = [card for card in known if (card.slot_width or 99) < (card.width_max or 0)]
    more = f"; {plural(len(small), 'card')} could use a wider slot" if small else ""
    return ok(
        f"{_line(known[0])}{more}" if len(known) == 1 else f"All have their lanes{more}",
        value=value,
        details=lines,
    )


def _best(card: PciCard) -> int:
    return min(card.width_max or 0, card.slot_width or 99)


def _best_speed(card: PciCard) -> float:
    return min(card.speed_max or 0.0, card.slot_speed or 999.0)


def _busy(card: PciCard, facts: GpuFacts) -> bool:
    return any(gpu.pstate in _BUSY for gpu in facts.smi.gpus if gpu.address[-10:] == card.address[-10:])


def _line(card: PciCard) -> str:
    speed = f" at {card.speed:g} GT/s" if card.speed else ""
    return f"{clean(card.address, 20)} has x{card.width} of x{_best(card)}{speed}"


CHECK = Check(
    id="gpu.link",
    title="Each card has all its PCIe lanes",
    why="A card that sits badly, a riser or a dirty contact costs lanes: x1 or x4 in place of x16. "
    "Training from a host's memory slows down, and errors follow. The speed of the link falls while a card "
    "is idle, which is normal; the number of lanes does not. Two cards on a desktop board often have x8 "
    "each, by design.",
    command="grep . /sys/bus/pci/devices/*/{current,max}_link_width; sudo lspci -d 10de: -vv | grep -E "
    "'LnkCap|LnkSta'",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.bus",),
)
