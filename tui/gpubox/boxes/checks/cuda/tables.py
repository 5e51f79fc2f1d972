"""What toolkits need of the driver, and which cards the frameworks' builds have code for.

From NVIDIA's release notes and PyTorch's build scripts, as of late 2026. A list that is not confirmed is
marked: a judge then says `may`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gpubox.boxes.checks.gpu.branches import LAST_CUDA, architecture_of, numbers
from gpubox.core.env import Build

Version = tuple[int, ...]
Answer = Literal["yes", "no", "may not", "unknown"]
"""Whether a build has code for a card."""

FLOORS: dict[int, Version] = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580,)}
"""The oldest driver of each major version of CUDA, by minor-version compatibility; none before 11."""
PAIRED: dict[Version, Version] = {
    (10, 0): (410, 48),
    (10, 1): (418, 39),
    (10, 2): (440, 33),
    (11, 0): (450, 36, 6),
    (11, 1): (455, 23),
    (11, 2): (460, 27, 3),
    (11, 3): (465, 19, 1),
    (11, 4): (470, 42, 1),
    (11, 5): (495, 29, 5),
    (11, 6): (510, 39, 1),
    (11, 7): (515, 43, 4),
    (11, 8): (520, 61, 5),
    (12, 0): (525, 60, 13),
    (12, 1): (530, 30, 2),
    (12, 2): (535, 54, 3),
    (12, 3): (545, 23, 6),
    (12, 4): (550, 54, 14),
    (12, 5): (555, 42, 2),
    (12, 6): (560, 28, 3),
    (12, 8): (570, 26),
    (12, 9): (575, 51, 3),
    (13, 0): (580, 65, 6),
    (13, 1): (590, 44, 1),
    (13, 2): (595, 45, 4),
}
"""The driver that each toolkit came with: all of its features, and programs that ship PTX alone."""

_OLD = ("5.0", "6.0", "7.0", "7.5", "8.0", "8.6", "9.0")
_NEW = ("7.5", "8.0", "8.6", "9.0", "10.0", "12.0")


@dataclass(frozen=True, slots=True)
class _Row:
    """Capabilities that torch is compiled for."""

    first: Version
    last: Version
    cuda: tuple[Version, ...]
    """Versions of CUDA, by major and minor, or by major alone."""
    capabilities: tuple[str, ...]
    ptx: str = ""
    sure: bool = True


_TORCH = (
    _Row((1, 13), (1, 13), ((11,),), ("3.7", *_OLD[:-1])),
    _Row((2, 0), (2, 0), ((11, 7),), ("3.7", *_OLD[:-1])),
    _Row((2, 0), (2, 0), ((11, 8),), ("3.7", *_OLD)),
    _Row((2, 1), (2, 6), ((11,), (12,)), _OLD, sure=False),
    _Row((2, 7), (2, 14), ((12, 6),), _OLD),
    _Row((2, 7), (2, 7), ((11, 8),), _OLD, sure=False),
    _Row((2, 7), (2, 7), ((12, 8),), _NEW, "12.0", sure=False),
    _Row((2, 8), (2, 10), ((12, 8),), ("7.0", *_NEW)),
    _Row((2, 8), (2, 8), ((12, 9),), ("7.0", *_NEW), "12.0"),
    _Row((2, 9), (2, 14), ((13,),), _NEW, "12.0"),
    _Row((2, 11), (2, 11), ((12, 8),), _NEW),
    _Row((2, 15), (2, 99), ((13,),), _NEW, "12.0", sure=False),
)
"""PyTorch's own wheels for x86_64."""


def cuda_of(text: str) -> Version:
    """Return major and minor of a version of CUDA; the minor is missing where a build does not say it."""
    return numbers(text)[:2]


def below_floor(driver: Version, cuda: Version) -> Version | None:
    """Return the driver that a version of CUDA needs at least, when this one is older; else None."""
    if not cuda:
        return None
    needed = FLOORS.get(cuda[0]) or (PAIRED.get(cuda) if cuda[0] < min(FLOORS) else None)
    return needed if needed and driver < needed else None


def below_pair(driver: Version, cuda: Version) -> Version | None:
    """Return the driver that a version of CUDA came with, when this one is older; else None."""
    needed = PAIRED.get(cuda)
    return needed if needed and driver < needed else None


def shown(version: Iterable[int]) -> str:
    """Return a driver's version as NVIDIA writes it: 525.60.13, 520.61.05."""
    first, *rest = version
    return ".".join((str(first), *(f"{number:02d}" for number in rest)))


def runs_on(build: Build, capability: str, *, x86: bool = True) -> Answer:
    """Return whether a build for CUDA has code for a card with this compute capability."""
    card, cuda = numbers(capability)[:2], cuda_of(build.cuda)
    if len(card) < 2 or not cuda:
        return "unknown"
    architecture = architecture_of(capability)
    last = LAST_CUDA.get(architecture)
    if last and cuda[0] > last[0]:
        return "no"  # that CUDA cannot compile for it at all
    version = numbers(build.version)[:2]
    match build.framework:
        case "torch":
            return _torch(build, version, cuda, card, x86=x86)
        case "tensorflow":
            if version >= (2, 17) and card < (6, 0):
                return "no"
            return "unknown" if card >= (10, 0) else "yes"
        case "jax":
            return "yes" if card >= (5, 2) else "may not"
        case _:
            return "unknown"


def _torch(build: Build, version: Version, cuda: Version, card: Version, *, x86: bool) -> Answer:
    row = next((row for row in _TORCH if row.first <= version <= row.last and _for(row, cuda)), None)
    if row is None or not x86:
        return "unknown"
    # Machine code runs on later minors of its major version, and PTX on everything newer.
    codes = [numbers(code)[:2] for code in row.capabilities]
    runs = any(code[0] == card[0] and code <= card for code in codes)
    if runs or (row.ptx and numbers(row.ptx) <= card):
        return "yes"
    own = "+cu" in build.version  # conda-forge and clusters compile their own
    return "no" if row.sure and own else "may not"


def _for(row: _Row, cuda: Version) -> bool:
    return any(cuda[: len(known)] == known for known in row.cuda)


def advice(architecture: str) -> str:
    """Return which builds have code for an architecture."""
    match architecture:
        case "Kepler":
            return "torch 2.0 for CUDA 11 is the last with code for this card"
        case "Maxwell" | "Pascal":
            return (
                "Install torch up to 2.14 from PyTorch's index for CUDA 12.6 (cu126): it has code for this "
                "card"
            )
        case "Volta":
            return "Install torch up to 2.14 for CUDA 12.6 (cu126), or 2.8 to 2.10 for CUDA 12.8 (cu128)"
        case "Blackwell":
            return "Install torch 2.7 or newer for CUDA 12.8 or newer"
        case _:
            return "Install a build for a CUDA that knows this card"
