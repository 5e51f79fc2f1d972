"""Installs, updates and removes the service that monitors a box, and reads how it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gpubox.agent import bundle
from gpubox.agent.call import Wording, call
from gpubox.boxes.context import BoxContext, Feature
from gpubox.boxes.monitor.status import MonitorStatus
from gpubox.core.feed import Feed
from gpubox.core.retry import connected

Verb = Literal["status", "install", "update", "start", "stop", "test", "remove"]
OutletConfig = Mapping[str, object]
"""The configuration of an outlet, which the outlet itself checks; may hold secrets."""

OutletChanges = Mapping[str, OutletConfig | None]
"""The outlets to add or replace, by their names; None removes one."""

_WORDING = Wording("The monitoring of the box cannot be reached", "its state", secret=True)
_PATIENCE = 60.0
"""Seconds for a request: an update ends one service and waits for the first frame of the next."""


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """What an installation changes of the configuration; the rest stays as it is."""

    interval: float | None = None
    """Seconds between two samples."""
    outlets: OutletChanges = field(default_factory=dict[str, OutletConfig | None], repr=False)
    """What changes of its outlets."""


class Monitor(Feature):
    """The service of one box. Each request may be repeated after a drop of the link."""

    def __init__(self, context: BoxContext) -> None:
        super().__init__(context)
        self.status: Feed[MonitorStatus | None] = Feed(None)
        """The newest answer of the box."""

    @property
    def program(self) -> bundle.Program:
        """The program on the box: the service, and what installs it."""
        return bundle.program("monitor", "gpubox.remote.monitor.install")

    @property
    def version(self) -> str:
        """The version that this program brings."""
        return bundle.folder(self.program).rpartition("-")[2]

    def is_old(self, status: MonitorStatus) -> bool:
        """Return whether another version runs on the box than this program brings."""
        return bool(status.version) and status.version != self.version

    async def look(self) -> MonitorStatus:
        """Return how the service is; changes nothing. Raises RemoteError and Dropped, as all here."""
        return await self._ask("status", {})

    async def install(self, request: MonitorRequest) -> MonitorStatus:
        """Install the service and start it, or change its configuration where it is installed."""
        asked = {"interval": request.interval, "outlets": request.outlets, "limits": self._limits}
        # What outlives the demo would begin at each boot of this very machine.
        return await self._ask("install", {**asked, "boot": self._context.target.kind != "demo"})

    async def update(self) -> MonitorStatus:
        """Replace the service by the version that this program brings."""
        return await self._ask("update", {"limits": self._limits})

    async def start(self) -> MonitorStatus:
        """Start the service."""
        return await self._ask("start", {})

    async def stop(self) -> MonitorStatus:
        """Stop the service until it is started, or the box boots."""
        return await self._ask("stop", {})

    async def test(self) -> MonitorStatus:
        """Ask the service for a test message by each channel."""
        return await self._ask("test", {})

    async def remove(self) -> MonitorStatus:
        """Remove the service, with all that was made for it on the box."""
        return await self._ask("remove", {})

    @property
    def _limits(self) -> Mapping[str, object]:
        return self._context.settings.limits._asdict()

    async def _ask(self, verb: Verb, request: object) -> MonitorStatus:
        context = self._context
        answer = await call(
            connected(context.shell, context.name), self.program, request, MonitorStatus, _WORDING,
            words=(verb,), python=context.python, environment=context.environment or {}, timeout=_PATIENCE,
        )  # fmt: skip
        self.status.put(answer)
        return answer
