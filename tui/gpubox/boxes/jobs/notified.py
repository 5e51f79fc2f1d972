"""Tracks which ended jobs were announced on this machine, so that each is announced once."""

from __future__ import annotations

from collections.abc import Sequence

from gpubox.core.record import ACTIVE, Record
from gpubox.store.store import Store


class NotifiedJobs:
    """The announced jobs of one box; on disk where there is a store."""

    def __init__(self, box: str, store: Store | None) -> None:
        self._box = box
        self._events = store.events if store is not None else None
        self._since: float | None = None
        self._read = store is None
        self._notified: set[str] = set()
        self._active: set[str] = set()
        self._news: set[str] = set()

    async def begin(self, now: float) -> None:
        """Read which endings were announced; `now` is the box's clock, for a box that was never seen before.

        Jobs that ended before this machine first saw the box are not announced. A disk that does not answer
        is read again the next time.
        """
        if self._since is None:
            self._since = now
        if not self._read and self._events is not None:
            since = await self._events.first_seen(self._box, self._since)
            if since is not None and await self._read_claims():
                self._since, self._read = since, True

    async def new(self, records: Sequence[Record], now: float) -> tuple[Record, ...]:
        """Return the ended jobs that were not announced yet; `now` is the box's clock."""
        await self.begin(now)
        ended = self._unknown(records)
        if any(record.id not in self._news for record in ended):
            await self._read_claims()  # another program on this machine may have announced it
            ended = self._unknown(records)
        self._news = {record.id for record in ended}
        return ended

    async def _read_claims(self) -> bool:
        """Read which endings were claimed; returns whether the disk answered."""
        claimed = await self._events.claimed(self._box, "job ended") if self._events is not None else None
        self._notified |= claimed or set()
        return claimed is not None

    def _unknown(self, records: Sequence[Record]) -> tuple[Record, ...]:
        since = self._since or 0.0
        self._active |= {record.id for record in records if record.state in ACTIVE}
        return tuple(
            record
            for record in records
            if record.state == "ended"
            and record.id not in self._notified
            # After a change of the clock, or a reboot, an end may be dated before that.
            and ((record.ended or record.submitted) > since or record.id in self._active)
        )

    async def claim(self, jobs: Sequence[str]) -> set[str]:
        """Claim endings, and return those that no program on this machine has announced."""
        new = {job for job in jobs if job not in self._notified}
        self._notified |= new
        return await self._events.claim(self._box, "job ended", new) if self._events is not None else new

    async def claim_hook(self, job: str) -> bool:
        """Return whether this program is the first on this machine to run the command for a job's end."""
        return self._events is None or bool(await self._events.claim(self._box, "job hook", [job]))
