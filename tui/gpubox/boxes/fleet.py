"""The open boxes: each is opened once, kept for a purpose, and closed by the task that keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gpubox.boxes.box import Box
from gpubox.boxes.context import Purpose
from gpubox.config.settings import Settings
from gpubox.core.prompts import Asker
from gpubox.core.target import Target

if TYPE_CHECKING:  # SQLite, which a command without history does without
    from gpubox.store.store import Store

Opener = Callable[[Target, Asker], Box]
"""Makes a box that is not yet connected; raises ConfigError."""


class Fleet:
    """Opens boxes and keeps them."""

    def __init__(
        self,
        settings: Settings,
        asker: Asker,
        store: Store | None = None,
        opener: Opener | None = None,
    ) -> None:
        self.settings = settings
        """For boxes that are opened from now on; replaced when the settings are reloaded."""
        self.boxes: dict[str, Box] = {}
        """The open boxes by name, in the order in which they were opened."""
        self._asker = asker
        self._store = store
        self._opener = opener or self._from_settings

    def open(self, target: Target) -> Box:
        """Return the box of a target, not yet connected if it is new; raises ConfigError for a bad name."""
        box = self.boxes.get(target.name)
        if box is None:
            box = self.boxes[target.name] = self._opener(target, self._asker)
        return box

    async def keep(self, box: Box, purpose: Purpose) -> None:
        """Keep a box connected for a purpose until cancelled, and close it; see Box.keep."""
        try:
            await box.keep(purpose)
        finally:
            self.boxes.pop(box.name, None)

    def _from_settings(self, target: Target, asker: Asker) -> Box:
        from gpubox.boxes.factory import open_box

        return open_box(target, self.settings, asker, store=self._store)
