"""What the checks of this group share: cards with their architectures, and how to install their driver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from gpubox.boxes.checks.check import CannotLook, Facts, Gathered
from gpubox.boxes.checks.gpu.branches import ADVISED, LAST_BRANCH, architecture_of, capability_of
from gpubox.boxes.checks.gpu.facts import GpuFacts, PackageFacts
from gpubox.core.sanitize import clean

F = TypeVar("F", bound=Facts)
PASSED_THROUGH = ("vfio-pci", "pci-stub", "xen-pciback")
"""Kernel drivers that hand a card to a virtual machine."""


@dataclass(frozen=True, slots=True)
class GpuCard:
    """A card with what is known of it from the bus, the driver and its name."""

    name: str
    address: str = ""
    capability: str = ""
    """Compute capability; empty when unknown."""
    architecture: str = ""
    """Empty when unknown."""


def optional(gathered: Gathered, kind: type[F]) -> F | None:
    """Return facts that a judge can do without, or None."""
    try:
        return gathered.of(kind)
    except CannotLook:
        return None


def cards_of(facts: GpuFacts) -> list[GpuCard]:
    """Return the cards that this box itself uses: those of the bus, or else those of nvidia-smi."""
    by_address = {gpu.address[-10:]: gpu for gpu in facts.smi.gpus}
    found: list[GpuCard] = []
    for card in facts.cards:
        if card.driver in PASSED_THROUGH:
            continue
        gpu = by_address.get(card.address[-10:])
        name = (gpu.name if gpu else "") or card.name
        found.append(_card(name or f"device 10de:{card.device}", card.address, gpu.capability if gpu else ""))
    return found or [_card(gpu.name, gpu.address, gpu.capability) for gpu in facts.smi.gpus]


def _card(name: str, address: str, capability: str) -> GpuCard:
    known = capability or capability_of(name)
    return GpuCard(clean(_short(name), 60), clean(address, 20), known, architecture_of(capability, name))


def _short(name: str) -> str:
    """Return the words of people: those in brackets of the list of PCI ids, without the maker."""
    inside = name.partition("[")[2].rstrip("]")
    return (inside or name).removeprefix("NVIDIA ").strip()


def driver_version(facts: GpuFacts) -> str:
    """Return the version of the driver that runs; on WSL that of Windows."""
    return facts.version or next((gpu.driver for gpu in facts.smi.gpus if gpu.driver), "")


def last_branch(cards: Sequence[GpuCard]) -> int | None:
    """Return the last branch that drives all cards; None when no end is known."""
    return min(
        (LAST_BRANCH[card.architecture] for card in cards if card.architecture in LAST_BRANCH), default=None
    )


def counted(names: Sequence[str], most: int = 3) -> str:
    """Return names as words, equal ones counted: `2x RTX 4090, GTX 1070`."""
    unique = list(dict.fromkeys(names))
    words = [f"{names.count(name)}x {name}" if names.count(name) > 1 else name for name in unique[:most]]
    return ", ".join(words) + (f" and {len(unique) - most} more" if len(unique) > most else "")


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 GPU`, `3 GPUs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def install_step(packages: PackageFacts | None, cards: Sequence[GpuCard]) -> str:
    """Return how the driver for these cards is installed on this distribution."""
    limit = last_branch(cards)
    branch = min(limit or ADVISED, ADVISED)
    old = limit is not None
    name = packages.distribution.partition(" ")[0] if packages else ""
    blackwell = any(card.architecture == "Blackwell" for card in cards)
    if branch < ADVISED:
        return (
            f"Its last driver branch is {branch}, which gets no fixes any more; look for its legacy packages"
        )
    match name:
        case "ubuntu" | "pop" | "linuxmint":
            return f"sudo apt install nvidia-driver-{branch}{'' if old else '-open'}, then reboot"
        case "debian" if blackwell:
            return "Add NVIDIA's own repository: the driver in Debian is too old for this card"
        case "debian":
            return (
                "Add the components contrib, non-free and non-free-firmware to Debian's sources, "
                "then sudo apt install nvidia-driver, and reboot"
            )
        case "arch" | "manjaro" | "endeavouros":
            return (
                "Install nvidia-580xx-dkms of the AUR, then reboot"
                if old
                else "sudo pacman -Syu nvidia-open, then reboot"
            )
        case "fedora":
            package = "akmod-nvidia-580xx" if old else "akmod-nvidia"
            return (
                f"Install {package} of RPM Fusion, wait until `modinfo -F version nvidia` answers, then "
                "reboot"
            )
        case _:
            return f"Install NVIDIA's driver {branch} with the packages of the distribution, then reboot"
