"""The jobs of one box: polls, starts, stops and follows them, and announces their ends."""

from __future__ import annotations

import asyncio
import getpass
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Self

import msgspec

from gpubox.boxes.context import BoxContext, Feature, Purpose
from gpubox.boxes.files.transfer import Files, TransferProgress
from gpubox.boxes.jobs import backends, hooks, logs, results, spec_builder
from gpubox.boxes.jobs.backend import Backend, Counted, Found, LogStream, Page, Search
from gpubox.boxes.jobs.box_backend import BoxBackend
from gpubox.boxes.jobs.merge import merged
from gpubox.boxes.jobs.notified import NotifiedJobs
from gpubox.boxes.jobs.poller import JobPoller
from gpubox.boxes.jobs.selectors import choose
from gpubox.boxes.jobs.spec_parsing import hidden, secrets_needed, tells_secret
from gpubox.boxes.login import Login
from gpubox.boxes.sshd_policy import SshdLimits, SshdPolicy
from gpubox.config.settings import JobSettings
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, GpuBoxError, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import Ignored, JobSpec
from gpubox.core.record import GpuPlace, Record, Tick
from gpubox.core.sample import Sample
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell
from gpubox.core.tasks import together
from gpubox.store.store import Store

_SCARCE = 2
"""Sessions of a link up to which a log is paged instead of streamed: the probe has one, commands need one."""


class Jobs(Feature):
    """The jobs of one box."""

    def __init__(
        self,
        box: str,
        shell: Feed[Shell | None],
        channels: Feed[Channels | None],
        *,
        store: Store | None = None,
        settings: JobSettings | None = None,
        limits: Feed[SshdPolicy] | None = None,
        python: str = "",
        environment: Mapping[str, str] | None = None,
        login: Login | None = None,
        sample: Feed[Sample | None] | None = None,
    ) -> None:
        self.feed: Feed[tuple[Record, ...]] = Feed(())
        """All jobs, newest first, as last polled; unchanged while the link is down."""
        self.gpus: Feed[tuple[GpuPlace, ...]] = Feed(())
        """The GPUs of the box as the queue sees them."""
        self.finished: Feed[tuple[Record, ...]] = Feed(())
        """Ended jobs that were not announced yet on this machine; `claim_endings` removes them."""
        self.trouble: Feed[GpuBoxError | None] = Feed(None)
        """Why polling fails while the link is live; None when it succeeds."""
        self.looked = False
        """Whether the jobs were ever polled."""
        self.box_backend = BoxBackend(box, shell, channels, python=python, environment=environment,
            login=login)  # fmt: skip
        """The backend of the box itself."""
        self.backends: Mapping[str, Backend] = {
            kind.name: kind.make(box, self.box_backend) for kind in backends.kinds()
        }
        """Every backend by its name, also those that the box lacks."""
        self.settings = settings or JobSettings()
        self._box, self._channels = box, channels
        self._store = store
        self._limits = limits
        self._sample = sample or Feed(None)
        self._notified = NotifiedJobs(box, store)
        self._keeping = JobPoller(self, shell)
        self._looking = asyncio.Lock()
        self._meanwhile: dict[str, Record | None] = {}
        """Changes since the running poll began; None for a removed job."""
        self._endings: asyncio.Queue[Record] = asyncio.Queue()
        self._noticed: set[str] = set()
        self._files = Files(box, shell, channels, python=python)

    @classmethod
    def of(cls, context: BoxContext) -> Self:
        """Make it for a box."""
        return cls(
            context.name, context.shell, context.channels,
            store=context.store, settings=context.settings.jobs,
            limits=context.use(SshdLimits).feed, python=context.python, environment=context.environment,
            login=context.use(Login) if context.has_login else None, sample=context.sample,
        )  # fmt: skip

    async def background(self, purpose: Purpose) -> None:
        """Poll the jobs on each new link and whenever the box reports a change; see Feature."""
        if purpose is Purpose.WORK:
            await together(self._keeping.keep(self._sample), self._on_endings(), self._on_endings())

    async def look(self, *, gpus: bool = True) -> tuple[Record, ...]:
        """Poll all jobs and return them, newest first; raises RemoteError and Dropped."""
        async with self._looking:
            self._meanwhile.clear()
            try:
                listing = await self.box_backend.look(gpus=gpus)
                records = listing.jobs
                for backend in self.backends.values():
                    records = await backend.settle(records)
            except Dropped:
                raise
            except GpuBoxError as error:
                self.trouble.put(error)
                raise
            if self.trouble.value is not None:
                self.trouble.put(None)
            if gpus and listing.gpus != self.gpus.value:
                self.gpus.put(listing.gpus)
            first, self.looked = not self.looked, True
            await self._take(merged(records, self._meanwhile), listing.now, anyhow=first)
            return self.feed.value

    async def _take(self, records: tuple[Record, ...], now: float, *, anyhow: bool = False) -> None:
        """Publish records, and those that newly ended."""
        if anyhow or records != self.feed.value:
            self.feed.put(records)
        ended = await self._notified.new(records, now)
        if [record.id for record in ended] != [record.id for record in self.finished.value]:
            self.finished.put(ended)
        for record in ended:
            if record.id not in self._noticed:
                self._noticed.add(record.id)
                self._endings.put_nowait(record)

    async def _changed(self, record: Record) -> None:
        """Publish one changed job at once; all others wait for the next poll."""
        self._meanwhile[record.id] = record
        await self._take(merged(self.feed.value, {record.id: record}), record.now or record.submitted)

    async def claim_endings(self, jobs: Sequence[str]) -> set[str]:
        """Claim the ends of these jobs; returns those that no window of this machine announced before."""
        left = tuple(record for record in self.finished.value if record.id not in jobs)
        if len(left) < len(self.finished.value):
            self.finished.put(left)
        return await self._notified.claim(jobs)

    async def launch(self, spec: JobSpec) -> Record:
        """Start or queue a job and return its record; raises RemoteError in words, and Dropped.

        After Dropped it may have started or not: launching the same spec again starts no second one.
        """
        if missing := [name for name in spec.hidden if name not in spec.environment]:
            raise secrets_needed(missing)
        spec = msgspec.structs.replace(
            spec,
            hidden=tuple(dict.fromkeys((*spec.hidden, *hidden(spec.environment)))),
            by=spec.by or whoami(),
            exclude=tuple(dict.fromkeys((*spec.exclude, *self.settings.exclude))),
        )
        record = await self.backend(spec.backend).launch(spec)
        await self._notified.begin(record.submitted)  # its end is announced even on a new box
        if not spec.template:  # templates have a list of their own
            await self._remember(spec.command)
        await self._changed(record)
        return record

    async def _remember(self, line: str) -> None:
        if self._store is None or not line.isprintable() or tells_secret(line):
            return  # bytes that are not text, several lines, a secret: not offered again
        await self._store.state.add_command(self._box, line)

    async def stop(self, job: str) -> Record:
        """Request the stop of a job and all its processes; raises RemoteError and Dropped."""
        record = await self._backend_of(job).stop(job, whoami())
        await self._changed(record)
        return record

    async def remove(self, jobs: Sequence[str]) -> None:
        """Delete the records and logs of ended jobs; raises RemoteError for one that has not ended."""
        try:
            await self.box_backend.remove(jobs)
        except RemoteError:
            await self._keeping.look_again()  # the jobs before it are already deleted
            raise
        await self.claim_endings(jobs)
        gone: dict[str, Record | None] = dict.fromkeys(jobs)
        self._meanwhile |= gone
        self.feed.put(merged(self.feed.value, gone))

    async def rerun(self, job: str) -> Record:
        """Rerun a job unchanged; raises as `again` and `launch`."""
        return await self.launch(await self.again(job))

    async def again(self, job: str) -> JobSpec:
        """Return the spec of a job with a new id; raises RemoteError when it needs secrets."""
        record = await self.show(job)
        if record.spec.hidden:
            raise secrets_needed(record.spec.hidden)
        return self.spec_again(record)

    def spec_again(self, record: Record) -> JobSpec:
        """Return the spec of a job with a new id; values of its secrets are not in it.

        Small programs that were sent along are in records of `show`, not in those of a list.
        """
        return spec_builder.again(record.spec)

    async def fetch(self, record: Record, progress: Callable[[TransferProgress], None] | None = None) -> Path:
        """Copy the results of an ended job to this machine, and return their folder here.

        Raises RemoteError when there are none, or when one cannot be read there or written here.
        """
        if not record.results:
            record = await self.show(record.id)
        return await results.fetch(self._files, self._box, record, self.settings.results, progress)

    async def ignore(self, process: Ignored) -> None:
        """Let a process no longer count as using a GPU."""
        await self.box_backend.ignore(process)
        await self._keeping.look_again()

    def named(self, name: str) -> Record:
        """Return the job that a name selects, among those last polled; see selectors.choose."""
        return choose(self.feed.value, name, self._box)

    async def show(self, job: str) -> Record:
        """Return one current record."""
        return await self._backend_of(job).show(job)

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        """Return a job's ticks from an offset of their file, and the offset of the next ones."""
        return await self._backend_of(job).ticks(job, start)

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of a job's log; a negative offset counts from the end."""
        return await self._backend_of(job).page(job, offset, length)

    async def search(self, job: str, query: Search, offset: int) -> Found:
        """Search a job's log on the box for about a second, from the start of a line."""
        return await self._backend_of(job).search(job, query, offset)

    async def count(self, job: str, query: Search, offset: int, end: int | None = None) -> Counted:
        """Count matching lines on the box for about a second, up to byte `end` or the end of the log."""
        return await self._backend_of(job).count(job, query, offset, end)

    def follow(self, job: str, offset: int, *, wait: bool = True) -> AbstractAsyncContextManager[LogStream]:
        """Read a job's log from an offset, through drops of the link: each byte comes once.

        It ends when the job has ended, or without `wait` at the present end of the log.
        """
        limit = self._limits.value.sessions if self._limits is not None else None
        scarce = limit is not None and limit <= _SCARCE
        return logs.follow(self._backend_of(job), self._channels, job, offset, wait=wait, paged=scarce)

    async def history(self) -> tuple[str, ...]:
        """Return the commands that were run on this box from this machine, newest first."""
        return tuple(await self._store.state.commands(self._box)) if self._store is not None else ()

    def backend(self, name: str) -> Backend:
        """Return a backend by its name; raises RemoteError for one that the box lacks."""
        if name not in self.backends:
            raise RemoteError(
                "No such queue", f"{self._box} has no {clean(name, 40)}", "Leave it to the box itself"
            )
        return self.backends[name]

    def _backend_of(self, job: str) -> Backend:
        record = next((one for one in self.feed.value if one.id == job), None)
        return self.backend(record.spec.backend) if record is not None else self.box_backend

    def watch(self) -> AbstractAsyncContextManager[None]:
        """Poll running jobs every two seconds while the block lasts."""
        return self._keeping.watch()

    async def _on_endings(self) -> None:
        """Run the user's hook for ended jobs; two at a time, since one may hang."""
        while True:
            record = await self._endings.get()
            command = self.settings.notify_command
            if command and record.spec.notify and await self._notified.claim_hook(record.id):
                await hooks.run(command, self._box, record)


def whoami() -> str:
    """Return the submitter for records: `ada@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return clean(f"{user}@{socket.gethostname() or 'laptop'}", 120)
