"""Combines what this machine stores about boxes: history, small facts, alerts, and announced events."""

from __future__ import annotations

from pathlib import Path

from gpubox.config.places import APP
from gpubox.config.settings import HistorySettings, Settings
from gpubox.store.alerts import StoredAlerts
from gpubox.store.box_state import BoxState
from gpubox.store.database import Database
from gpubox.store.events import Events
from gpubox.store.history import StoredHistory


def default_path() -> Path:
    """Return the path of the database on this system."""
    from platformdirs import user_state_path

    return user_state_path(APP) / "history.sqlite"


class Store:
    """The database and its contents. Leaving its block closes it."""

    def __init__(self, path: Path, settings: HistorySettings) -> None:
        self._database = Database(path)
        self.path = path
        self.trouble = self._database.trouble
        """The error of the file, or None."""
        self.state = BoxState(self._database)
        self.events = Events(self._database)
        self.alerts = StoredAlerts(self._database)
        self.history = StoredHistory(self._database, settings)

    @classmethod
    def open(cls, settings: Settings, path: Path | None = None) -> Store:
        """Return the store of some settings; never raises: errors are in `trouble`."""
        return cls(path or default_path(), settings.history)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; later writes are lost."""
        self._database.close()
