"""Whether the free driver nouveau stays away from the cards."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, not_here, ok, unknown, warning
from gpubox.boxes.checks.gpu.cards import counted
from gpubox.boxes.checks.gpu.facts import GpuFacts

_BLOCK = (
    "Write `blacklist nouveau` and `options nouveau modeset=0` to /etc/modprobe.d/nouveau.conf, renew the "
    "initramfs (update-initramfs -u, dracut --force or mkinitcpio -P), then reboot; packages of the driver "
    "do that themselves"
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if facts.platform:
        return not_here("This platform has no nouveau")
    bound = [card.address for card in facts.cards if card.driver in ("nouveau", "nova")]
    if bound and facts.version:
        return warning(f"nouveau holds {counted(bound)} beside NVIDIA's driver", _BLOCK, value="yes")
    if bound:
        return warning(
            f"nouveau holds {counted(bound)}", "Install NVIDIA's driver, which blocks it", value="yes"
        )
    if facts.modules is None:
        return unknown("The kernel does not list its modules", "lsmod | grep nouveau")
    if "nouveau" in facts.modules:
        return ok("It is loaded and holds no card", value="no")
    return ok("It is not loaded", value="no")


CHECK = Check(
    id="gpu.nouveau",
    title="nouveau does not hold a card",
    why="nouveau is the free driver of the kernel. It shows a desktop, and runs no CUDA; while it holds a "
    "card, NVIDIA's driver cannot have it. To block it costs the picture on a screen until the new driver "
    "is there.",
    command="lspci -k -d 10de:; lsmod | grep nouveau",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.bus",),
)
