"""Which CUDA toolkits are installed, and whether the compiler is found and knows the cards."""

from __future__ import annotations

from gpubox.boxes.checks.check import Check, Gathered, Result, hint, ok
from gpubox.boxes.checks.cuda.facts import CudaFacts, Toolkit
from gpubox.boxes.checks.cuda.tables import cuda_of
from gpubox.boxes.checks.gpu.branches import FIRST_CUDA, LAST_CUDA
from gpubox.boxes.checks.gpu.cards import GpuCard, cards_of, optional
from gpubox.boxes.checks.gpu.facts import GpuFacts
from gpubox.core.sanitize import clean


def _judge(gathered: Gathered) -> Result:
    facts = gathered.of(CudaFacts)
    if not facts.toolkits:
        return ok(
            "None is installed: frameworks bring their own CUDA, only compiling needs one", value="none"
        )
    lines = tuple(_line(toolkit) for toolkit in facts.toolkits)
    versions = ", ".join(dict.fromkeys(clean(toolkit.version, 12) or "?" for toolkit in facts.toolkits))
    default = next((toolkit for toolkit in facts.toolkits if toolkit.default), facts.toolkits[-1])
    gpu = optional(gathered, GpuFacts)
    mismatch = _unfit(default, cards_of(gpu) if gpu else [])
    if mismatch:
        return hint(*mismatch, value=versions, details=lines)
    if not facts.nvcc and default.compiler and facts.login_read:
        return hint(
            f"CUDA {versions} is installed, and a login does not find nvcc",
            f"Add `export PATH={clean(default.path, 80)}/bin:$PATH` to ~/.profile, if you compile for GPUs",
            value=versions,
            details=lines,
        )
    if facts.nvcc_version and cuda_of(default.version) and _differs(facts.nvcc_version, default.version):
        return hint(
            f"A login compiles with CUDA {clean(facts.nvcc_version, 12)}, the default is "
            f"{clean(default.version, 12)}",
            f"{clean(facts.nvcc, 80)} comes first in PATH; put the one that you want before it",
            value=versions,
            details=lines,
        )
    return ok(f"CUDA {versions}", value=versions, details=lines)


def _unfit(toolkit: Toolkit, cards: list[GpuCard]) -> tuple[str, str] | None:
    """Return text and step for a toolkit that cannot compile for a card, or None."""
    version = cuda_of(toolkit.version)
    for card in cards if version else ():
        last, first = LAST_CUDA.get(card.architecture), FIRST_CUDA.get(card.architecture)
        shown = clean(toolkit.version, 12)
        if last and version > last:
            words = f"{last[0]}.x" if last[0] == 12 else f"{last[0]}.{last[1]}"
            return (
                f"CUDA {shown} cannot compile for {card.name} ({card.architecture}): {words} is the last "
                "that can",
                f"Install a toolkit of CUDA {last[0]} beside it, if you compile for this card",
            )
        if first and version < first:
            return (
                f"CUDA {shown} does not know {card.name} ({card.architecture}): {first[0]}.{first[1]} is "
                "the first",
                f"Install CUDA {first[0]}.{first[1]} or newer, if you compile for this card",
            )
    return None


def _differs(one: str, other: str) -> bool:
    return cuda_of(one) != cuda_of(other)


def _line(toolkit: Toolkit) -> str:
    words = [clean(toolkit.path, 100), clean(toolkit.version, 16) or "unknown version"]
    words += ["of the distribution"] if toolkit.package else []
    words += ["default"] if toolkit.default else []
    words += [] if toolkit.compiler else ["without nvcc"]
    return "  ".join(words)


CHECK = Check(
    id="cuda.toolkit",
    title="The CUDA toolkit fits the cards",
    why="A toolkit is needed to compile, for example extensions of PyTorch; to run frameworks it is not, "
    "for they bring their own CUDA. nvcc and nvidia-smi show different numbers, which is normal: the one "
    "is the compiler, the other what the driver can run at most. Each toolkit compiles for a range of "
    "cards: CUDA 13 no longer for Maxwell, Pascal and Volta, CUDA before 12.8 not yet for Blackwell. "
    "Several toolkits live side by side.",
    command="ls -d /usr/local/cuda*; nvcc --version; command -v nvcc",
    needs=(CudaFacts, GpuFacts),
    judge=_judge,
    depends_on=("gpu.bus",),
)
