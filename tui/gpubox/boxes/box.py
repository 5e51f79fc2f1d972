"""A box: its link, its newest sample, its history, and what can be done to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from gpubox.core.errors import GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.health import Phase
from gpubox.core.history import History
from gpubox.core.sample import Sample
from gpubox.core.shell import Link


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


class Box:
    """One box, opened; panels follow its feeds and call its methods."""

    def __init__(self, target: Target, link: Link) -> None:
        self.target = target
        self.link = link
        self.sample: Feed[Sample | None] = Feed(None)
        """The newest sample; it stays when the link drops."""
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """What is wrong with the probe while the link itself is live; None when nothing is."""
        self.history = History()
        self.rtt: float | None = None
        """Seconds of the last heartbeat's round trip, the probe's answer included."""
        self.received_at: float | None = None
        """time.monotonic() when the newest sample came in."""

    @property
    def name(self) -> str:
        """What the person calls the box."""
        return self.target.name

    @property
    def age(self) -> float | None:
        """Seconds since the newest sample came in, or None before the first."""
        return None if self.received_at is None else time.monotonic() - self.received_at

    @property
    def stale(self) -> bool:
        """Whether the newest sample is too old to pass for now: the link is not live, or three are overdue."""
        sample, age = self.sample.value, self.age
        if sample is None or age is None:
            return False
        return self.link.health.value.phase is not Phase.LIVE or age > max(3.0, 3 * sample.interval)
