"""The jobs of one box: looked at when something changed, started, stopped, followed, told when they end."""

from __future__ import annotations

import asyncio
import getpass
import logging
import socket
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import msgspec

from gpubox.boxes.jobs import logs, notices
from gpubox.boxes.jobs.backend import Backend, LogStream, Page
from gpubox.boxes.jobs.naming import choose
from gpubox.boxes.jobs.supervised import Supervised
from gpubox.boxes.jobs.told import Told
from gpubox.boxes.jobs.wishes import hidden, new_id
from gpubox.boxes.limits import Limits
from gpubox.boxes.store import Store
from gpubox.config.settings import JobSettings
from gpubox.core.doors import Doors
from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import Ignored, JobWish
from gpubox.core.record import ACTIVE, GpuPlace, Record, Tick
from gpubox.core.sample import Sample
from gpubox.core.shell import Shell
from gpubox.core.together import together

log = logging.getLogger("gpubox.jobs")

SETTLE = 2.0
"""Seconds after which the first sample of a new link is there, and there is time for what can wait."""
WATCHED = 2.0
"""Seconds between two looks while somebody watches and a job is at work."""
_SCARCE = 2
"""Sessions of a link with which a log comes piece by piece: the probe has one, commands need the other."""


class Jobs:
    """What runs, waits and ended on one box."""

    def __init__(
        self,
        box: str,
        shell: Feed[Shell | None],
        doors: Feed[Doors | None],
        *,
        store: Store | None = None,
        settings: JobSettings | None = None,
        limits: Feed[Limits] | None = None,
        python: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.feed: Feed[tuple[Record, ...]] = Feed(())
        """All jobs, newest first, as they were last looked at; it keeps what it has when the link drops."""
        self.gpus: Feed[tuple[GpuPlace, ...]] = Feed(())
        """The GPUs of the box as the queue sees them."""
        self.finished: Feed[tuple[Record, ...]] = Feed(())
        """Jobs that ended and were not yet told of on this machine; `told` takes them away."""
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """Why the box cannot be asked for its jobs while its link is live; None when it can."""
        self.looked = False
        """Whether the jobs were ever looked at."""
        self.supervised = Supervised(box, shell, doors, python=python, environment=environment)
        """The backend of the box itself."""
        self.settings = settings or JobSettings()
        self._box = box
        self._shell = shell
        self._doors = doors
        self._store = store
        self._limits = limits
        self._told = Told(box, store)
        self._looking = asyncio.Lock()
        self._watchers = 0
        self._watched = asyncio.Event()

    async def look(self, *, gpus: bool = True) -> tuple[Record, ...]:
        """Look at all jobs and return them, newest first; raises RemoteError in words, and Dropped."""
        async with self._looking:
            try:
                listing = await self.supervised.look(gpus=gpus)
            except RemoteError as error:
                self.trouble.put(error)
                raise
            if self.trouble.value is not None:
                self.trouble.put(None)
            records = listing.jobs
            if gpus and listing.gpus != self.gpus.value:
                self.gpus.put(listing.gpus)
            first, self.looked = not self.looked, True
            if first or records != self.feed.value:
                self.feed.put(records)
            ended = await self._told.new(records, listing.now)
            if ended != self.finished.value:
                self.finished.put(ended)
            return records

    async def told(self, jobs: Sequence[str]) -> None:
        """Note that a person knows of the end of these jobs; they are never told again on this machine."""
        await self._told.mark(jobs)
        left = tuple(record for record in self.finished.value if record.id not in jobs)
        if left != self.finished.value:
            self.finished.put(left)

    async def launch(self, wish: JobWish) -> Record:
        """Start or queue a job and return its record; raises RemoteError in words, and Dropped.

        After Dropped nobody knows whether it started: launching the same wish again starts no second one.
        """
        given = wish.environment
        wish = msgspec.structs.replace(
            wish,
            hidden=tuple(dict.fromkeys((*hidden(given), *(name for name in wish.hidden if name in given)))),
            by=wish.by or whoami(),
            exclude=wish.exclude or self.settings.exclude,
        )
        record = await self.backend(wish.backend).launch(wish)
        if self._store is not None and (wish.line or wish.argv):
            await self._store.keep_command(self._box, wish.line or line_of(wish))
        await self._look_again()
        return record

    async def stop(self, job: str) -> Record:
        """Ask for the end of a job and all its processes; raises RemoteError in words, and Dropped."""
        record = await self._backend_of(job).stop(job, whoami())
        await self._look_again()
        return record

    async def remove(self, jobs: Sequence[str]) -> None:
        """Delete the records and logs of ended jobs; raises RemoteError for one that has not ended."""
        await self.supervised.remove(jobs)
        await self._told.mark(jobs)
        await self._look_again()

    async def rerun(self, job: str) -> Record:
        """Start a job once more as it was; raises RemoteError when it needs secrets that are gone."""
        record = await self.show(job)
        if record.wish.hidden:
            raise RemoteError(
                "Secrets are needed",
                f"{', '.join(record.wish.hidden)} was not kept on the box",
                "Edit the job and fill it in again",
            )
        return await self.launch(self.wish_again(record))

    def wish_again(self, record: Record) -> JobWish:
        """Return the wish of a job with a new id; values of its secrets are not in it."""
        return msgspec.structs.replace(record.wish, id=new_id(), by="", after="", hidden=record.wish.hidden)

    async def ignore(self, process: Ignored) -> None:
        """Let a process no longer count as using a GPU."""
        await self.supervised.ignore(process)
        await self._look_again()

    def named(self, name: str) -> Record:
        """Return the job that a name means, of those last looked at; see naming.choose."""
        return choose(self.feed.value, name, self._box)

    async def show(self, job: str) -> Record:
        """Return one record as it is now."""
        return await self._backend_of(job).show(job)

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        """Return a job's seconds from a byte of their file on, and where the next ones begin."""
        return await self._backend_of(job).ticks(job, start)

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of a job's log; a negative offset counts from the end."""
        return await self._backend_of(job).page(job, offset, length)

    def follow(self, job: str, offset: int) -> AbstractAsyncContextManager[LogStream]:
        """Follow a job's log from a byte on, through drops of the link: each byte comes once."""
        limit = self._limits.value.sessions if self._limits is not None else None
        scarce = limit is not None and limit <= _SCARCE
        return logs.follow(self._backend_of(job), self._doors, job, offset, paged=scarce)

    async def history(self) -> tuple[str, ...]:
        """Return the commands that were run on this box from here, newest first."""
        return tuple(await self._store.commands(self._box)) if self._store is not None else ()

    def backend(self, name: str) -> Backend:
        """Return what runs jobs by a backend's name; raises RemoteError for one that the box has not."""
        if name == "box":
            return self.supervised
        raise RemoteError("No such queue", f"{self._box} has no {name}", "Leave it to the box itself")

    def _backend_of(self, job: str) -> Backend:
        record = next((one for one in self.feed.value if one.id == job), None)
        return self.backend(record.wish.backend) if record is not None else self.supervised

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[None]:
        """Have running jobs looked at every two seconds while the block lasts."""
        self._watchers += 1
        self._watched.set()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()

    async def keep(self, sample: Feed[Sample | None]) -> None:
        """Look at the jobs on each new link and whenever the box says that one changed, until cancelled."""
        await together(
            self._on_links(sample), self._on_changes(sample), self._while_watched(), self._on_endings()
        )

    async def _on_links(self, sample: Feed[Sample | None]) -> None:
        async for shell in self._shell.follow():
            if shell is None:
                continue
            await asyncio.sleep(SETTLE if sample.value is None else 0)
            if shell is self._shell.value:
                await self._look_again()

    async def _on_changes(self, sample: Feed[Sample | None]) -> None:
        seen: float | None = None
        async for newest in sample.follow():
            changed = newest.jobs if newest is not None else None
            if changed is not None and changed != seen:
                seen, before = changed, seen
                if before is not None or self.looked:
                    await self._look_again()

    async def _on_endings(self) -> None:
        done: set[str] = set()
        async for records in self.finished.follow():
            for record in records:
                if record.id not in done:
                    done.add(record.id)
                    await notices.run(self.settings.notify_command, self._box, record)

    async def _while_watched(self) -> None:
        while True:
            await self._watched.wait()
            began = time.monotonic()
            at_work = any(record.state in ACTIVE for record in self.feed.value)
            if not self.looked or at_work:
                await self._look_again()
            await asyncio.sleep(max(WATCHED, 10 * (time.monotonic() - began)))

    async def _look_again(self) -> None:
        """Look, unless the box cannot be asked: then `trouble` says why, until the next link or change."""
        if self._shell.value is None:
            return
        with suppress(Dropped):
            try:
                await self.look()
            except RemoteError as error:
                log.info("jobs of %s: %s", self._box, error)


def whoami() -> str:
    """Return who this is, for the record: `ada@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return f"{user}@{socket.gethostname() or 'laptop'}"


def line_of(wish: JobWish) -> str:
    """Return a job's command as a person would type it."""
    import shlex

    return wish.line or shlex.join(wish.argv)
