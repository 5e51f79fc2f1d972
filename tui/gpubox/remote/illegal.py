"""What an illegal instruction was: found through the core file, named by the CPU feature that it wants."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple


def core_of(pid: int, cwd: str, since: float, number: int) -> Tuple[str, str]:
    """Return the core file of a process if we can read it, and where it lies in words."""
    return "", ""


def why(core: str) -> str:
    """Return in words which instruction the CPU refused."""
    return ""
