"""The state of the service on a box, as remote/monitor/install.py answers; its texts are remote."""

from __future__ import annotations

from typing import Literal

import msgspec

from gpubox.core.bounds import Moment, Number, Whole

Way = Literal["systemd", "cron", "hand", ""]
"""What starts the service at boot; by hand is nothing."""


class OutletStatus(msgspec.Struct, frozen=True):
    """One outlet of the service."""

    name: str
    ok: bool = False
    """Whether the last frame went out."""
    words: str = ""
    """What it says of itself."""


class MonitorStatus(msgspec.Struct, frozen=True):
    """What the service on a box is doing, and how it is started."""

    now: Moment
    """When the box answered, by its clock."""
    installed: bool = False
    running: bool = False
    way: Way = ""
    folder: str = ""
    """Where the service has its files on the box."""
    log: str = ""
    """The log of the service on the box."""
    pid: Whole | None = None
    version: str = ""
    """The hash of the program that is installed."""
    python: str = ""
    started: Moment | None = None
    interval: Number | None = None
    """Seconds between two frames."""
    frames: Whole = 0
    """How many samples it has taken since it was started."""
    time: Moment | None = None
    """When the newest frame was taken, by the clock of the box."""
    age: Number | None = None
    """Seconds since then; a change of the box's clock does not matter."""
    cpu: Number | None = None
    """What it costs, in percent of a core."""
    memory: Whole | None = None
    """Its resident memory in bytes."""
    gpus: Whole = 0
    faults: tuple[str, ...] = ()
    """Codes of the faults of the newest sample."""
    alerts: Whole = 0
    """How many alerts are active."""
    outlets: tuple[OutletStatus, ...] = ()
    config: str = ""
    """Why the configuration is not used; empty when it is."""
    trouble: str = ""
    """Why the newest sample was not handed out; empty when it was."""
    notes: tuple[str, ...] = ()
    """What the user should know about how it is started."""

    @property
    def late(self) -> bool:
        """Whether frames should have come since the newest one."""
        return self.age is not None and self.age > 3 * (self.interval or 0) + 15
