"""What the driver itself asks for on a GPU, and what to do then, in words."""

from __future__ import annotations

from gpubox.common.xid import STEPS, Step
from gpubox.core.sanitize import clean

ACTIONS: dict[str, Step] = {
    "none": "none",
    "reset": "reset",
    "gpu reset required": "reset",
    "reboot": "reboot",
    "node reboot required": "reboot",
    "drain p2p": "reset later",
    "drain and reset": "reset",
    "recover imex domain": "reset later",
}
"""The driver's own words in lower case: those of nvidia-smi, and those of Xid 154 in the kernel log."""


def asks_for(words: str) -> str:
    """Return what the driver asks for, as a part of a sentence."""
    return f"the driver asks for: {clean(words, 40) or 'an action'}"


def action_step(words: str) -> str:
    """Return what to do when the driver asks for something."""
    step = ACTIONS.get(words.lower())
    return (
        STEPS[step] if step else "Look this action up in NVIDIA's list of Xid errors, at 154; a reboot may do"
    )
