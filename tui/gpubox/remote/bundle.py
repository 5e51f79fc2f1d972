"""The folder that this program runs from: the root of its packages, and how it starts a module of itself."""

from __future__ import annotations

import contextlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder; it need not exist, because a program may run from memory."""
STARTER = os.path.join(ROOT, "run.py")


def command(module: str, *words: str) -> List[str]:
    """Return the command that runs `main` of a module in a process of its own."""
    return [sys.executable, "-I", "-S", "-OO", STARTER, module, *words]


def has(module: str) -> bool:
    """Return whether the file of a module is in the folder; it is not when we run from memory."""
    return os.path.exists(os.path.join(ROOT, *module.split(".")) + ".py")


def touch() -> None:
    """Mark the folder as used: folders unused for a month are removed."""
    with contextlib.suppress(OSError):
        os.utime(ROOT, None)
