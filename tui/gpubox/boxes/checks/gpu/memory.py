"""Whether memory of a card is in use that no process accounts for."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, not_here, ok, unknown, warning
from gpubox.boxes.checks.gpu.cards import cards_of
from gpubox.boxes.checks.gpu.facts import GpuFacts, GpuHolder, SmiGpu
from gpubox.common.units import size
from gpubox.common.xid import RESET
from gpubox.core.sanitize import clean

_MUCH = 500 << 20
"""Bytes in use beyond what the driver reserves: a console, and the driver before 510, take less."""
_SHARED = ("GH200", "GB200", "GB300", "GB10")
"""Chips whose memory the kernel of the host uses as well."""
_FUSER = "sudo fuser -v /dev/nvidia*"
_STEP = (
    f"{_FUSER} names who has the driver open: end what was left over. Only if nothing uses the card, "
    f"{RESET}; or reboot the box"
)


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(GpuFacts)
    if facts.platform:
        return not_here("The processes on the GPU belong to the host's system")
    known = [gpu for gpu in facts.smi.gpus if gpu.memory_used is not None]
    if not known:
        return unknown("nvidia-smi does not say how much memory is in use", "nvidia-smi")
    lonely = [gpu for gpu in known if _is_much(gpu) and not gpu.processes]
    if not lonely:
        return ok("All memory that is in use belongs to a process, but for small amounts", value="none")
    if any(gpu.processes is None for gpu in lonely):
        return unknown(
            "nvidia-smi did not list the processes in time, or cannot", "nvidia-smi -q -d MEMORY,PIDS"
        )
    names = {card.address[-10:]: card.name for card in cards_of(facts)}
    lines = tuple(
        f"{size(gpu.memory_used)} of memory are in use on {names.get(gpu.address[-10:], 'a GPU')} "
        f"{clean(gpu.address, 20)}, and no process is listed for it"
        for gpu in lonely[:8]
    )
    return _result(facts, lonely, lines)


def _is_much(gpu: SmiGpu) -> bool:
    shared = any(chip in gpu.name for chip in _SHARED)
    return not shared and (gpu.memory_used or 0) > _MUCH + (gpu.memory_reserved or 0)


def _result(facts: GpuFacts, lonely: list[SmiGpu], lines: tuple[str, ...]) -> Result:
    """Return a warning, or less where something that cannot be seen from here may hold the memory."""
    value = size(sum(gpu.memory_used or 0 for gpu in lonely))
    holders = tuple(_said(holder) for holder in facts.holders[:8])
    text, details = lines[0], (*lines[1:], *holders)
    if facts.container:
        text = f"{text}: the host and other containers may hold it, whose processes are hidden here"
        return unknown(text, f"On the host: nvidia-smi; {_FUSER}")
    if facts.mps:
        may = "the MPS server may hold it for its clients"
    elif any(gpu.mig for gpu in lonely):
        may = "MIG is on, and processes of its instances may not be listed"
    elif not facts.headless:
        may = "the desktop may hold it"
    elif not facts.root:
        may = f"{holders[0]}, and may hold it" if holders else "a process that only root sees may hold it"
    else:
        text += f"; {holders[0]}" if holders else ""
        return warning(text, _STEP, value=value, details=details)
    return hint(f"{text}: {may}", _STEP, value=value, details=details)


def _said(holder: GpuHolder) -> str:
    name = clean(holder.name, 20) or "a process"
    return f"{name} ({holder.pid}) of {clean(holder.user, 32) or 'another user'} has CUDA open"


CHECK = Check(
    id="gpu.memory",
    title="Memory of the cards belongs to processes",
    why="A program that crashed can leave memory of the card in use: its workers live on and hold it, or "
    "the driver did not give it back. The next program then fails with `out of memory` on a card that looks "
    "idle. nvidia-smi does not list such workers; they have the files of the driver open all the same. "
    "Memory that nobody holds comes back with a reset of the card, which ends whatever uses it.",
    command="nvidia-smi; sudo fuser -v /dev/nvidia*",
    needs=(GpuFacts,),
    judge=_judge,
    depends_on=("gpu.smi", "gpu.processes"),
)
