"""The outlets that the configuration names: made, given each frame, and asked for their states."""

from __future__ import annotations

import contextlib
import time
from importlib import import_module

from gpubox.remote.json_io import error_line
from gpubox.remote.monitor.outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional, Tuple

    from gpubox.remote.monitor.service_log import ServiceLog

    Row = Dict[str, Any]

OUTLETS: Dict[str, Tuple[str, str]] = {
    "history": ("gpubox.remote.monitor.history", "HistoryOutlet"),
    "messages": ("gpubox.remote.monitor.messages", "MessagesOutlet"),
    "prometheus": ("gpubox.remote.monitor.prometheus", "PrometheusOutlet"),
    "zabbix": ("gpubox.remote.monitor.zabbix", "ZabbixOutlet"),
}
"""The module and the class of each outlet, by its name; quoted names travel to the box."""
RETRY = 60.0
"""Seconds after which an outlet that did not start is tried again: its port may be free by then."""


class ConfiguredOutlet:
    """One outlet of the configuration, whether it works or not."""

    def __init__(self, name: str, config: Row, folder: str) -> None:
        self.name = name
        self.config = config
        self.folder = folder
        self.outlet: Optional[Outlet] = None
        self.trouble = ""
        """Why it did not start, or what it raised last."""
        self.retry_at = 0.0

    def start(self, now: float) -> None:
        """Make and start it, if that is due; what fails is its trouble."""
        if self.outlet is not None or now < self.retry_at:
            return
        self.retry_at = now + RETRY
        outlet = None
        try:
            outlet = self._made()
            outlet.start()
        except Exception as error:  # the fault of one outlet must not end the others
            plain = isinstance(error, (OSError, ValueError))
            self.trouble = str(error) if plain else error_line(error)
            if outlet is not None:
                _close(outlet)
            return
        self.outlet, self.trouble = outlet, ""

    def _made(self) -> Outlet:
        """Return a new outlet; raises ValueError for an unknown one, and what its module raises."""
        if self.name not in OUTLETS:
            raise ValueError("This version of the service has no outlet `%s`" % self.name)
        module, kind = OUTLETS[self.name]
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise ValueError("This version of the service has no outlet `%s`" % self.name) from None
        made = getattr(found, kind)(self.config, self.folder)
        if not isinstance(made, Outlet):
            raise TypeError("%s is no outlet" % kind)
        return made

    def offer(self, frame: Row) -> None:
        """Hand over a frame."""
        if self.outlet is not None:
            try:
                self.outlet.offer(frame)
                self.trouble = ""
            except Exception as error:
                self.trouble = error_line(error)

    def status(self) -> Row:
        """Return its state: `name`, `ok`, `words`, and what else the outlet says of itself."""
        row: Row = {"ok": False, "words": self.trouble}
        if self.outlet is not None and not self.trouble:
            try:
                row = dict(self.outlet.status())
            except Exception as error:
                row = {"ok": False, "words": error_line(error)}
        return dict(row, name=self.name)

    def close(self) -> None:
        """End it."""
        if self.outlet is not None:
            _close(self.outlet)
            self.outlet = None


def _close(outlet: Outlet) -> None:
    with contextlib.suppress(Exception):  # it is given up
        outlet.close()


class Outlets:
    """All outlets of the configuration."""

    def __init__(self, folder: str, log: ServiceLog) -> None:
        self.folder = folder
        self.log = log
        self.configured: List[ConfiguredOutlet] = []

    def configure(self, outlets: Mapping[str, Row]) -> None:
        """Close the outlets that are configured no longer, or differently; the others go on undisturbed."""
        before = {one.name: one for one in self.configured}
        self.configured = []
        for name, config in outlets.items():
            same = before.get(name)
            if same is not None and same.config == config:
                self.configured.append(before.pop(name))
            else:
                self.configured.append(ConfiguredOutlet(name, config, self.folder))
        for one in before.values():
            one.close()
        self.start()

    def start(self) -> None:
        """Start those that do not run yet, as far as that is due."""
        now = time.monotonic()
        for one in self.configured:
            one.start(now)

    def offer(self, frame: Row, only: str = "") -> None:
        """Hand a frame to all of them, or to one alone."""
        self.start()
        for one in self.configured:
            if only in ("", one.name):
                one.offer(frame)

    def status(self) -> List[Row]:
        """Return the states of all; what changed about one is logged."""
        rows = [one.status() for one in self.configured]
        for row in rows:
            self.log.changed("outlet %s" % row["name"], "" if row.get("ok") else str(row.get("words", "")))
        return rows

    def close(self) -> None:
        """End all of them."""
        for one in self.configured:
            one.close()
        self.configured = []
