"""Which endings were told on this machine: one that came while it was away is told when it is back."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.boxes.store import Store
from gpubox.core.record import Record


class Told:
    """The endings that a person knows of, for one box; on disk where there is a store."""

    def __init__(self, box: str, store: Store | None) -> None:
        self._box = box
        self._store = store
        self._since: float | None = None
        self._told: set[str] = set()

    async def new(self, records: Sequence[Record], now: float) -> tuple[Record, ...]:
        """Return the jobs that ended and were not told; `now` is the box's clock.

        What ended before this machine saw the box for the first time is nobody's news.
        """
        if self._since is None:
            self._since = now
            if self._store is not None:
                self._since, told = await self._store.told(self._box, now)
                self._told |= told
        return tuple(
            record
            for record in records
            if record.state == "ended"
            and record.id not in self._told
            and (record.ended or record.submitted) > self._since
        )

    async def mark(self, jobs: Sequence[str]) -> None:
        """Note that these were told."""
        new = [job for job in jobs if job not in self._told]
        self._told.update(new)
        if new and self._store is not None:
            await self._store.keep_told(self._box, new)
