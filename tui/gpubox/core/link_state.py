"""The state of a link, as plain values that a panel can draw."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gpubox.core.errors import GpuBoxError


class Phase(Enum):
    """The phase of a link."""

    IDLE = "idle"
    """Not requested yet, or closed on purpose."""
    CONNECTING = "connecting"
    """Resolving, shaking hands, logging in, or waiting for the user's answer."""
    LIVE = "live"
    """Logged in."""
    WAITING = "waiting"
    """Lost or not reached; retried at `retry_at`."""
    REFUSED = "refused"
    """Only the user can help: a wrong key, a changed host key, a second factor."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a link at one moment."""

    phase: Phase = Phase.IDLE
    since: float = 0.0
    """When the phase began, in seconds of time.monotonic()."""
    step: str = ""
    """The step within CONNECTING: `resolving`, `logging in as ada`, `asking for a code`."""
    retry_at: float | None = None
    """When WAITING ends, in seconds of time.monotonic()."""
    attempt: int = 0
    """How many attempts failed in a row."""
    reason: GpuBoxError | None = None
    """Why the link is WAITING or REFUSED."""
    address: str = ""
    """`user@host:port` once resolved."""
