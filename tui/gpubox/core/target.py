"""Names of boxes, before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Target:
    """A named box, before it is opened."""

    name: str
    """What the user typed or picked: an alias, `user@host:port`, `local`, `demo`."""
    kind: Literal["ssh", "local", "demo", "recording"]
    source: str = ""
    """Where the name comes from: `settings`, `ssh config`, `typed`, `built in`."""
    detail: str = ""
    """One line for the picker, such as `ada@10.0.0.7:22`."""
