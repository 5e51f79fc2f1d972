"""Runs jobs to their end: launches them, waits for them, and explains why they failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gpubox.boxes.jobs.backend import Page
from gpubox.boxes.jobs.wording import outcome
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import ACTIVE, Record
from gpubox.core.retry import retry
from gpubox.core.sanitize import clean, clean_lines

L = TypeVar("L")

_POLL = 0.3
"""Seconds between two polls of a job that is not polled otherwise."""
_EXPLAIN, _PAUSE = 50, 0.2
"""Looks at an ended job whose cause the box still seeks, and seconds between them: a login's start files take
8 seconds at most."""
_END = 8192
"""Bytes at the end of a log that are searched for its last lines."""
_LINES = 20
"""Most lines of an explanation."""


class LaunchedJobs(Protocol):
    """Launches and reads jobs: Jobs."""

    async def launch(self, spec: JobSpec) -> Record:
        """Start or queue a job."""
        ...

    async def show(self, job: str) -> Record:
        """Return one current record."""
        ...

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of a job's log."""
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a job ended, with its known cause."""

    record: Record
    lines: Sequence[str] = ()
    """The last lines of its log, safe to draw; empty when the log cannot be read."""

    @property
    def words(self) -> str:
        """How and why it ended, with its last line of output: `exit 1 (no such package)`."""
        why = clean(self.record.ending.why, 300) if self.record.ending is not None else ""
        last = clean(self.lines[-1], 160) if self.lines else ""
        more = "; ".join(filter(None, (why, last)))
        return f"{outcome(self.record)}{f' ({more})' if more else ''}"


async def launch(jobs: LaunchedJobs, link: Feed[L | None], spec: JobSpec, *, now: bool = False) -> Record:
    """Launch a job, through drops of the link, and return its record; a repeated request starts it once.

    With `now`, a link that is down at first raises Dropped: a user does not expect the job to start when the
    link is back, hours later. Raises RemoteError when the job cannot be launched.
    """
    if now and link.value is None:
        return await jobs.launch(spec)
    return await retry(link, lambda: jobs.launch(spec))


async def wait(jobs: LaunchedJobs, link: Feed[L | None], job: str) -> Record:
    """Poll a job until it has ended, through drops of the link, and return its record.

    Raises RemoteError when it no longer exists.
    """
    while True:
        record = await retry(link, lambda: jobs.show(job))
        if record.state not in ACTIVE:
            return record
        await asyncio.sleep(_POLL)


async def wait_watched(records: Feed[tuple[Record, ...]], job: str) -> Record | None:
    """Wait for a job in a feed of records, and return its record; None when it was removed meanwhile."""
    seen = False
    async for newest in records.follow():
        record = next((one for one in newest if one.id == job), None)
        if record is None and seen:
            return None
        seen = seen or record is not None
        if record is not None and record.state not in ACTIVE:
            return record
    raise AssertionError("a feed never ends")


async def settle(jobs: LaunchedJobs, link: Feed[L | None], record: Record) -> Record:
    """Return the record of an ended job once the box has finished its search for the cause."""
    with suppress(RemoteError):
        for _ in range(_EXPLAIN):
            if not record.explaining:
                break
            await asyncio.sleep(_PAUSE)
            record = await retry(link, lambda id=record.id: jobs.show(id))
    return record


async def explain(jobs: LaunchedJobs, link: Feed[L | None], record: Record) -> Explanation:
    """Return how an ended job ended, with the last lines of its log.

    It waits for the link; facts that cannot be read are left out.
    """
    record = await settle(jobs, link, record)
    with suppress(RemoteError):
        page = await retry(link, lambda: jobs.page(record.id, -_END, _END))
        return Explanation(record, clean_lines(page.data)[-_LINES:])
    return Explanation(record)
