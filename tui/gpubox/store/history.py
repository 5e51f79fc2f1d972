"""Keeps the history of boxes on disk: written every ten seconds, rolled up, and read by span."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence

from gpubox.common import tiers
from gpubox.common.tier_writer import LATE, Tiers
from gpubox.common.tiers import Bounds, HistoryRow, HistorySpan
from gpubox.config.settings import HistorySettings
from gpubox.core.history import SPAN, History
from gpubox.store.box_state import RECENT
from gpubox.store.database import Database

WIDTH = tiers.FINEST
"""Seconds between two written rows, and the span of each."""
_PENDING = 10_000
"""Most rows that wait for a slow disk; more are dropped."""
_BATCH = 2000
"""Rows that are added at a time: other calls wait for the thread."""
_TIDY_EVERY = 10.0
"""Seconds between two rounds of tidying while there is more to do."""
_TIDY_SECONDS = 0.05
"""Seconds of one round: other calls wait for the thread."""


class StoredHistory:
    """Means of every box in three tiers: ten seconds, five minutes and an hour."""

    def __init__(self, database: Database, settings: HistorySettings) -> None:
        self._database = database
        self._settings = settings
        self._tiers = Tiers()
        self._bounds = Bounds((settings.days, *Bounds().days[1:]), boxes=RECENT)
        self._pending: list[HistoryRow] = []
        self._writing = False
        self._tidy_at = 0.0

    async def load(self, box: str, history: History) -> None:
        """Fill a box's history with the last hour from disk; takes 20 ms for eight GPUs."""
        now = int(time.time())
        read = await self._database.call(lambda connection: _last_hour(connection, box, now))
        if read is not None and read.keys():
            history.take(read)

    async def read(self, box: str, begin: int, end: int) -> HistorySpan | None:
        """Return the history of a box between two seconds since the epoch; None when the disk fails.

        Rows are of the finest tier that covers the span in at most 2,200 rows.
        """
        width = tiers.pick(begin, end, int(time.time()), self._bounds)
        return await self._database.call(lambda connection: tiers.span(connection, width, box, begin, end))

    async def keep(self, box: str, history: History) -> None:
        """Write the means of a box's history every ten seconds, until cancelled."""
        while self._settings.keep and self._database.is_open:
            # All boxes wake at the same moments and write in one transaction.
            await asyncio.sleep(WIDTH - time.time() % WIDTH + 0.05)
            second = (int(time.time()) // WIDTH - 1) * WIDTH
            if means := history.means(second, WIDTH):
                await self.write(HistoryRow(box, second, means))

    async def write(self, row: HistoryRow) -> None:
        """Write a row to disk, together with those that came while the disk was busy."""
        if len(self._pending) < _PENDING:
            self._pending.append(row)
        if self._writing:
            return
        self._writing = True
        try:
            while self._pending:
                rows, self._pending = self._pending, []
                await self._database.call(lambda connection, rows=rows: self._tiers.insert(connection, rows))
        finally:
            self._writing = False
        await self._tidy_sometimes()

    async def add(self, width: int, rows: Sequence[HistoryRow]) -> None:
        """Add rows of a tier that were stored elsewhere; the rows that are there stay."""
        for first in range(0, len(rows), _BATCH):
            batch = rows[first : first + _BATCH]
            await self._database.call(
                lambda connection, batch=batch: self._tiers.insert(connection, batch, width)
            )

    async def complete(self, box: str, history: History) -> None:
        """Fill the gaps of a box's last hour in memory from the disk."""
        now = int(time.time())
        read = await self._database.call(lambda connection: _last_hour(connection, box, now))
        if read is not None:
            history.complete(read)

    async def _tidy_sometimes(self) -> None:
        now = time.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_EVERY
            if await self._database.call(self._tidy) is False:
                # Nothing more can be rolled up before the hour is over.
                self._tidy_at = now + tiers.COARSEST - time.time() % tiers.COARSEST + LATE

    def _tidy(self, connection: sqlite3.Connection) -> bool:
        """Tidy the tiers for _TIDY_SECONDS; return whether there may be more to do."""
        end = time.monotonic() + _TIDY_SECONDS
        while self._tiers.tidy(connection, int(time.time()), self._bounds):
            if time.monotonic() >= end:
                return True
        return False


def _last_hour(connection: sqlite3.Connection, box: str, now: int) -> History:
    history = History()
    for row in tiers.read(connection, tiers.FINEST, box, now - SPAN, now):
        history.fill(row.second, tiers.FINEST, row.means)
    return history
