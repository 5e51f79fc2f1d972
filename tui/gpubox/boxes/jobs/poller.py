"""Decides when to poll the jobs of a box: on each new link, when one changed, and while one is watched."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from gpubox.agent.program_cache import NoPython
from gpubox.boxes.jobs.backend import Backend
from gpubox.core.errors import Dropped, GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.record import ACTIVE, Record
from gpubox.core.sample import Sample
from gpubox.core.shell import Shell
from gpubox.core.tasks import together

log = logging.getLogger("gpubox.jobs")

SETTLE = 2.0
"""Seconds after which a new link has brought its first sample, and deferred work may start."""
WATCHED = 2.0
"""Seconds between two polls while the jobs are watched and one is active."""
QUEUE = 10.0
"""Seconds between two polls of a queue of the box while somebody watches and no job of ours is in it."""
AGAIN, SELDOM = 5.0, 300.0
"""First and longest back-off in seconds after a failed poll; each doubles the last."""


class PolledJobs(Protocol):
    """The polled object: Jobs."""

    feed: Feed[tuple[Record, ...]]
    trouble: Feed[GpuBoxError | None]
    looked: bool
    backends: Mapping[str, Backend]

    async def look(self) -> tuple[Record, ...]:
        """Poll all jobs; raises GpuBoxError."""
        ...


class JobPoller:
    """Polls the jobs of one box when there is a reason to."""

    def __init__(self, jobs: PolledJobs, shell: Feed[Shell | None]) -> None:
        self._jobs = jobs
        self._shell = shell
        self._hopeless: Shell | None = None
        self._watchers = 0
        self._watched = asyncio.Event()

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[None]:
        """Poll running jobs every two seconds while the block lasts."""
        self._watchers += 1
        self._watched.set()
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()

    async def keep(self, sample: Feed[Sample | None]) -> None:
        """Poll whenever there is a reason to, until cancelled."""
        await together(
            self._on_links(sample), self._on_changes(sample), self._while_watched(), self._after_trouble()
        )

    async def look_again(self) -> None:
        """Poll; errors are in `trouble`. A box without Python is not polled again over the same link."""
        shell = self._shell.value
        if shell is None or shell is self._hopeless:
            return
        try:
            await self._jobs.look()
        except Dropped:
            return  # the next link is a reason to poll again
        except GpuBoxError as error:
            if isinstance(error, NoPython):
                self._hopeless = shell
            log.info("jobs cannot be listed: %s", error)

    async def _on_links(self, sample: Feed[Sample | None]) -> None:
        async for shell in self._shell.follow():
            if shell is None:
                continue
            await asyncio.sleep(SETTLE if sample.value is None else 0)
            if shell is self._shell.value:
                await self.look_again()
                for backend in self._jobs.backends.values():
                    await self._refresh(backend, 0.0)

    async def _on_changes(self, sample: Feed[Sample | None]) -> None:
        """Poll when a job changed; the first reported time is that of an old change."""
        seen: float | None = None
        async for newest in sample.follow():
            changed = newest.jobs if newest is not None else None
            if changed is not None and changed != seen:
                first, seen = seen is None, changed
                if not first or self._jobs.looked:
                    await self.look_again()

    async def _after_trouble(self) -> None:
        """Poll again after a back-off: an overloaded box does not report its recovery."""
        pause = AGAIN
        async for trouble in self._jobs.trouble.follow():
            if trouble is None:
                pause = AGAIN
                continue
            await asyncio.sleep(pause)
            pause = min(2 * pause, SELDOM)
            if self._jobs.trouble.value is not None:
                await self.look_again()

    async def _while_watched(self) -> None:
        while True:
            await self._watched.wait()
            began = time.monotonic()
            at_work = any(record.state in ACTIVE for record in self._jobs.feed.value)
            if self._jobs.trouble.value is None and (at_work or not self._jobs.looked):
                await self.look_again()
            for backend in self._jobs.backends.values():
                if backend.queue.value is not None:
                    await self._refresh(backend, QUEUE)
            await asyncio.sleep(max(WATCHED, 10 * (time.monotonic() - began)))

    async def _refresh(self, backend: Backend, age: float) -> None:
        with suppress(Dropped):
            if self._shell.value is not None:
                await backend.refresh(age)
