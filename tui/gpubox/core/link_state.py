"""The state of a link, as plain values that a panel can draw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gpubox.core.errors import GpuBoxError


class Phase(Enum):
    """Where a link is in its life."""

    IDLE = "idle"
    """Nobody asked for it yet, or it was closed on purpose."""
    CONNECTING = "connecting"
    """Resolving, shaking hands, logging in, or waiting for the person's answer."""
    LIVE = "live"
    """Logged in."""
    WAITING = "waiting"
    """Lost or not reached; it will be tried again at `retry_at`."""
    REFUSED = "refused"
    """Only the person can help: a wrong key, a changed host key, a second factor."""


@dataclass(frozen=True, slots=True)
class Health:
    """A link now."""

    phase: Phase = Phase.IDLE
    since: float = 0.0
    """When the phase began, in seconds of time.monotonic()."""
    step: str = ""
    """What is going on inside CONNECTING: `resolving`, `logging in as ada`, `asking for a code`."""
    retry_at: float | None = None
    """When WAITING ends, in seconds of time.monotonic()."""
    attempt: int = 0
    """How many tries failed in a row."""
    reason: GpuBoxError | None = None
    """Why the link is WAITING or REFUSED."""
    address: str = ""
    """`user@host:port` once resolved."""
