"""The link to a recording: its state is the recorded one, and nothing goes through it."""

from __future__ import annotations

import asyncio

from gpubox.core.feed import Feed
from gpubox.core.link_state import Health
from gpubox.core.shell import Work


class RecordedLink:
    """A link that never runs work: no shell and no channel ever opens."""

    def __init__(self) -> None:
        self.health: Feed[Health] = Feed(Health())

    def prepare(self) -> None:
        """Nothing to import."""

    async def keep(self, work: Work) -> None:
        """Stay until cancelled."""
        del work
        await asyncio.Event().wait()

    def retry(self) -> None:
        """Nothing to retry."""
