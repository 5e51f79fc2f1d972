"""What was seen, on this machine's disk: means over ten seconds of every box, and the boxes last used."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gpubox.config.places import APP
from gpubox.config.settings import HistorySettings, Settings
from gpubox.core.errors import GpuBoxError, StoreError
from gpubox.core.feed import Feed
from gpubox.core.history import History
from gpubox.store import box_state, history_tables
from gpubox.store.history_tables import FAULTS, WIDTH, HistoryRow

if TYPE_CHECKING:
    from gpubox.core.target import Target

_PENDING = 10_000
"""Rows that wait for a slow disk; more are dropped."""
_PRUNE_EVERY = 3600.0
_PATIENCE = 1.0
"""Seconds that anything waits for another thread's turn with the file: a home on a network disk may hang."""

T = TypeVar("T")


def default_path() -> Path:
    """Return where the history lies on this system."""
    from platformdirs import user_state_path

    return user_state_path(APP) / "history.sqlite"


class Store:
    """The history file; several windows may have it open at once.

    Nothing here raises for a bad disk: the trouble is told in `trouble`, and the program goes on without.
    """

    def __init__(self, path: Path, settings: HistorySettings) -> None:
        self.path = path
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """Why nothing is kept, or None."""
        self._settings = settings
        self._lock = threading.Lock()
        """One thread at a time: a cancelled wait leaves its thread at work."""
        self._pending: list[HistoryRow] = []
        self._writing = False
        self._pruned_at: float | None = None
        self._writer = history_tables.Writer()
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = history_tables.connect(path)
        except StoreError as error:
            self.trouble.put(error)
        except FAULTS as error:
            self.trouble.put(history_tables.told(error, path))

    @classmethod
    def open(cls, settings: Settings, path: Path | None = None) -> Store:
        """Return the store that settings ask for; it never raises: what is wrong stands in `trouble`."""
        return cls(path or default_path(), settings.history)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what comes later is not kept."""
        if not self._lock.acquire(timeout=_PATIENCE):
            return  # a thread waits for a disk that hangs; it must not hold the whole program
        try:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        finally:
            self._lock.release()

    def recent(self) -> list[str]:
        """Return the names of boxes, last used first."""
        return self._now(history_tables.recent) or []

    def remember(self, target: Target) -> None:
        """Note that a box is used now."""
        self._now(lambda connection: history_tables.remember(connection, target.name))

    async def ports(self) -> dict[tuple[str, str], int]:
        """Return the ports of this machine that tunnels had, by box and name of the tunnel."""
        return await self._later(history_tables.ports) or {}

    async def keep_port(self, box: str, tunnel: str, port: int) -> None:
        """Remember the port of this machine that a tunnel has."""
        await self._later(lambda connection: history_tables.keep_port(connection, box, tunnel, port))

    async def programs(self, box: str) -> list[str]:
        """Return the graphical programs that were run on a box, last used first."""
        return await self._later(lambda connection: box_state.programs(connection, box)) or []

    async def keep_program(self, box: str, command: str) -> None:
        """Remember that a graphical program was run on a box."""
        await self._later(lambda connection: box_state.keep_program(connection, box, command))

    async def commands(self, box: str) -> list[str]:
        """Return the command lines of jobs that were run on a box, last used first."""
        return await self._later(lambda connection: box_state.commands(connection, box)) or []

    async def keep_command(self, box: str, line: str) -> None:
        """Remember the command line of a job."""
        await self._later(lambda connection: box_state.keep_command(connection, box, line))

    async def told(self, box: str, now: float) -> tuple[float, set[str]] | None:
        """Return when a box was first seen by its own clock (`now` if never), and the jobs whose end is told.

        None when the disk does not say.
        """
        return await self._later(lambda connection: box_state.told_jobs(connection, box, now))

    async def keep_told(self, box: str, jobs: Sequence[str]) -> None:
        """Note that the end of jobs was told."""
        await self._later(lambda connection: box_state.keep_told(connection, box, jobs))

    async def claim(self, box: str, job: str) -> bool:
        """Return whether nobody acted on the end of a job before; also when the disk does not say."""
        return await self._later(lambda connection: box_state.claim(connection, box, job)) is not False

    async def choice(self, box: str) -> str:
        """Return the folder of the environment that is chosen on a box; empty without one."""
        return await self._later(lambda connection: box_state.choice(connection, box)) or ""

    async def keep_choice(self, box: str, prefix: str) -> None:
        """Remember the environment that is chosen on a box; an empty one forgets it."""
        await self._later(lambda connection: box_state.keep_choice(connection, box, prefix))

    async def load(self, box: str, history: History) -> None:
        """Begin a box's history with what the disk has of the last hour; takes 20 ms for eight GPUs."""
        now = int(time.time())
        try:
            async with asyncio.timeout(2 * _PATIENCE):
                read = await self._later(lambda connection: history_tables.last_hour(connection, box, now))
        except TimeoutError:
            self.trouble.put(self._hangs())
            return
        if read is not None and read.keys():
            history.take(read)

    async def keep(self, box: str, history: History) -> None:
        """Write the means of a box's history every ten seconds, until cancelled."""
        if not self._settings.keep or self._connection is None:
            return
        while True:
            # All boxes wake at the same moments and go to the disk in one transaction.
            await asyncio.sleep(WIDTH - time.time() % WIDTH + 0.05)
            second = (int(time.time()) // WIDTH - 1) * WIDTH
            if means := history.means(second, WIDTH):
                await self.write(HistoryRow(box, second, means))

    async def write(self, row: HistoryRow) -> None:
        """Put a row on disk, together with those that came while the disk was busy."""
        if len(self._pending) < _PENDING:
            self._pending.append(row)
        if self._writing:
            return
        self._writing = True
        try:
            while self._pending:
                rows, self._pending = self._pending, []
                await self._later(lambda connection, rows=rows: self._writer.insert(connection, rows))
        finally:
            self._writing = False
        await self._prune_sometimes()

    async def _prune_sometimes(self) -> None:
        now = time.monotonic()
        if self._pruned_at is None or now - self._pruned_at > _PRUNE_EVERY:
            self._pruned_at = now
            oldest = int(time.time()) - self._settings.days * 86_400
            await self._later(lambda connection: history_tables.prune(connection, oldest))

    def _now(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something quick with the file, or tell why not; None stands for not done."""
        return self._tell(*self._attempt(work))

    async def _later(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do something with the file in a thread, or tell why not; None stands for not done."""
        return self._tell(*await asyncio.to_thread(self._attempt, work))

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> tuple[T | None, GpuBoxError | None]:
        if not self._lock.acquire(timeout=_PATIENCE):
            return None, self._hangs()
        try:
            if self._connection is None:
                return None, self.trouble.value
            return work(self._connection), None
        except FAULTS as error:
            return None, history_tables.told(error, self.path)
        finally:
            self._lock.release()

    def _hangs(self) -> StoreError:
        return history_tables.told(TimeoutError("the disk does not answer"), self.path)

    def _tell(self, done: T | None, trouble: GpuBoxError | None) -> T | None:
        if trouble is not self.trouble.value:
            self.trouble.put(trouble)
        return done
