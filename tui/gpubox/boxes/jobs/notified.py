"""Remembers which ended jobs were announced on this machine, so that each is announced once."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.core.record import ACTIVE, Record
from gpubox.store.store import Store


class NotifiedJobs:
    """The endings that a person knows of, for one box; on disk where there is a store."""

    def __init__(self, box: str, store: Store | None) -> None:
        self._box = box
        self._store = store
        self._since: float | None = None
        self._read = store is None
        self._told: set[str] = set()
        self._active: set[str] = set()
        self._news: set[str] = set()

    async def begin(self, now: float) -> None:
        """Find out what was told before; `now` is the box's clock when it is seen for the first time.

        What ended before this machine saw the box for the first time is nobody's news. A disk that does not
        answer is asked again the next time.
        """
        if self._since is None:
            self._since = now
        if not self._read and self._store is not None:
            known = await self._store.told(self._box, self._since)
            if known is not None:
                self._since, told = known
                self._told |= told
                self._read = True

    async def new(self, records: Sequence[Record], now: float) -> tuple[Record, ...]:
        """Return the jobs that ended and were not told; `now` is the box's clock."""
        await self.begin(now)
        ended = self._untold(records)
        if self._store is not None and any(record.id not in self._news for record in ended):
            # Another window, or another run of this program, may have told it.
            known = await self._store.told(self._box, now)
            self._told |= known[1] if known is not None else set()
            ended = self._untold(records)
        self._news = {record.id for record in ended}
        return ended

    def _untold(self, records: Sequence[Record]) -> tuple[Record, ...]:
        since = self._since or 0.0
        self._active |= {record.id for record in records if record.state in ACTIVE}
        return tuple(
            record
            for record in records
            if record.state == "ended"
            and record.id not in self._told
            # A clock that was set, and a box that was booted anew, may date an end before that.
            and ((record.ended or record.submitted) > since or record.id in self._active)
        )

    async def mark(self, jobs: Sequence[str]) -> None:
        """Note that these were told."""
        new = [job for job in jobs if job not in self._told]
        self._told.update(new)
        if new and self._store is not None:
            await self._store.keep_told(self._box, new)

    async def claim(self, job: str) -> bool:
        """Return whether this run of the program is the first, of all windows here, to act on a job's end."""
        return self._store is None or await self._store.claim(self._box, job)
