"""A box: its link, its newest sample, its history, and what can be done to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.history import History
from gpubox.core.sample import Process, Sample
from gpubox.core.shell import Link, Shell


@dataclass(frozen=True, slots=True)
class Target:
    """A box by name, before anything is opened."""

    name: str
    """What the person typed or picked: an alias, `user@host:port`, `local`, `demo`."""
    kind: Literal["ssh", "local", "demo"]
    source: str = ""
    """Where the name comes from: `settings`, `ssh config`, `typed`, `built in`."""
    detail: str = ""
    """One line for the picker, such as `ada@10.0.0.7:22`."""
