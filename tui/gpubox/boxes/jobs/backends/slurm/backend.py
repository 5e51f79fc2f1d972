"""The Slurm backend: our supervisor is the payload, so that record, log and figures are the same."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from secrets import token_hex

import msgspec

from gpubox.agent import program_cache
from gpubox.boxes.jobs.backend import Counted, Found, LogStream, Page, Search
from gpubox.boxes.jobs.backends.slurm import commands, endings, messages, submit
from gpubox.boxes.jobs.backends.slurm.commands import Place
from gpubox.boxes.jobs.backends.slurm.parse import AccountedJob
from gpubox.boxes.jobs.box_backend import BoxBackend
from gpubox.boxes.jobs.list_decoder import about
from gpubox.boxes.jobs.queue_view import QueueRow, QueueView
from gpubox.core.bounds import Moment
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import ACTIVE, How, Record, Tick
from gpubox.core.sanitize import clean
from gpubox.core.shell import Shell

FORGOTTEN = 60.0
"""Seconds after which a job that Slurm does not know counts as lost."""


class _Settled(msgspec.Struct, frozen=True):
    id: str
    ending: dict[str, object]
    ran: bool = True
    """Whether it ran on a node; its record may then still arrive through a network disk."""
    ended: Moment = 0.0
    forced: bool = False
    """Whether Slurm's outcome overrides the job's own exit status."""
    canceler: str = submit.CANCELER


def _ending(how: How, words: str) -> dict[str, object]:
    return {"how": how, "words": words, **({"by": "Slurm"} if how == "queue" else {})}


class Slurm:
    """See backend.Backend. Without Slurm on the box each method raises RemoteError."""

    def __init__(self, box: str, supervised: BoxBackend) -> None:
        self.queue: Feed[QueueView | None] = Feed(None)
        """See Backend.queue."""
        self._box = box
        self._supervised = supervised
        self._place: Place | None = None
        self._found_by: Shell | None = None
        self._rows: tuple[QueueRow, ...] = ()
        """The queue, and those of our jobs that ended a moment ago."""
        self._looked_at = -math.inf
        self._clear: set[str] = set()
        """Ended jobs of which Slurm knows no more than their record."""

    async def find(self) -> bool:
        """Return whether the box has Slurm; checked once per link. Raises RemoteError and Dropped."""
        shell = self._supervised.shell()
        if shell is not self._found_by:
            self._place = await commands.find(shell, await self._supervised.variables())
            self._found_by = shell
            if self._place is None and self.queue.value is not None:
                self.queue.put(None)
        return self._place is not None

    async def look(self) -> QueueView | None:
        """Poll partitions and queue; None on a box without Slurm. Raises RemoteError and Dropped."""
        if not await self.find():
            return None
        found = await commands.ask(self._supervised.shell(), self._there())
        queue = tuple(row for row in found.rows if messages.phase(row.state) != "ended")
        view = QueueView(found.partitions, queue, found.now)
        self._rows, self._looked_at = found.rows, time.monotonic()
        self.queue.put(view)
        return view

    async def refresh(self, age: float = 0.0) -> None:
        """Poll when the last poll is older than some seconds; a failure is in `queue`. Raises Dropped."""
        try:
            if await self.find() and (time.monotonic() - self._looked_at > age or self.queue.value is None):
                await self.look()
        except RemoteError as error:
            self._silent(error)

    def _silent(self, error: RemoteError) -> None:
        self._looked_at = time.monotonic()
        if self._place is not None:
            self.queue.put(replace(self.queue.value or QueueView(), trouble=error.text))

    async def settle(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Add to records what only Slurm knows: what a job waits for, and how it ended without a record.

        If Slurm does not answer, they stay unchanged, and the error is in `queue`. Raises Dropped.
        """
        if not any(self._open(record) for record in records):
            return tuple(records)
        try:
            view = await self.look()
            if view is None:
                return tuple(records)
            return await self._settled(records, view.now)
        except RemoteError as error:
            self._silent(error)
            return tuple(
                msgspec.structs.replace(record, waits=error.text)
                if record.spec.backend == "slurm" and record.state == "queued"
                else record
                for record in records
            )

    async def _settled(self, records: Sequence[Record], now: float) -> tuple[Record, ...]:
        by_number = {row.id: row for row in self._rows}
        by_job = {row.job: row for row in self._rows if row.job}
        found: list[Record] = []
        over: list[tuple[int, Record]] = []
        for place, record in enumerate(records):
            row = by_number.get(record.queue_id) or by_job.get(record.id)
            if not self._open(record):
                found.append(record)
            elif row is not None and messages.phase(row.state) != "ended":
                found.append(record if endings.late(record) else endings.alive(record, row, now))
            else:
                known = msgspec.structs.replace(record, queue_id=record.queue_id or (row.id if row else ""))
                over.append((place, known))
                found.append(known)
        if over:
            numbers = [record.queue_id for _, record in over if record.queue_id]
            final = await commands.ends(self._supervised.shell(), self._there(), numbers) if numbers else {}
            for place, record in over:
                found[place] = await self._close(record, final.get(record.queue_id), now)
        return tuple(found)

    async def _close(self, record: Record, final: AccountedJob | None, now: float) -> Record:
        """Write the ending of a job into its record, unless its supervisor did."""
        canceled = final is not None and final.state.startswith("CANCELLED")
        forced = final is not None and messages.forced(final, record)
        if final is not None:
            if messages.phase(final.state) != "ended":
                return endings.completing(record)
            if record.state == "ended" and not forced:
                self._clear.add(record.id)
                return record
            ran = not canceled or final.started is not None
            words, ended = messages.ending(final), final.ended or now
        elif record.state == "ended" or now - record.submitted < FORGOTTEN:
            return record
        elif record.queue_id:
            words, ran, ended = f"Slurm no longer knows its job {record.queue_id}", False, now
        else:
            words, ran, ended = "Its launch was cut before Slurm had it; nothing of it ran", False, now
        how = "stopped" if canceled else "queue"
        if final is not None and canceled and final.reason == "DependencyNeverSatisfied":
            how, words = "after", f"Job {record.spec.after or 'before it'} did not end with exit code 0"
        asked = _Settled(record.id, _ending(how, words), ran, ended, forced)
        settled = about(record.id, await self._supervised.call("settle", asked, Record))
        settled = msgspec.structs.replace(settled, queue_id=settled.queue_id or record.queue_id)
        # Its supervisor lives for a moment after it wrote the ending, and may still change it.
        refused = settled.ending is not None and settled.ending.words != words
        return endings.completing(settled) if forced and refused else settled

    async def launch(self, spec: JobSpec) -> Record:
        """Submit a job to Slurm and return its record; see Backend.launch."""
        place, shell = await self._required(), self._supervised.shell()
        after = await self._after(spec)
        options = submit.options(spec, after)
        record = await self._supervised.prepare(msgspec.structs.replace(spec, backend="slurm"))
        if record.queue_id or record.state != "queued":
            return record
        await program_cache.ensure(shell, self._supervised.program, self._supervised.python)
        supervised, mark = self._supervised, f"gpubox-{token_hex(6)}"
        words = ("payload", spec.id, submit.NUMBER, submit.CANCELER)
        python, environment = supervised.python, supervised.environment
        line = program_cache.command(supervised.program, mark, words, python, environment)
        login: Mapping[str, str] = await supervised.variables() if spec.login else {}
        script = submit.script(spec, record.folder, options, line, place.folder, login)
        result, out = await commands.run(shell, place, script)
        number = out.decode("ascii", "replace").strip()
        if result.ok and number.isdecimal():
            return await self.show(spec.id)
        error = commands.refused(result, "Slurm refused the job")
        if result.status == submit.SAID_NO:
            asked = _Settled(spec.id, _ending("queue", error.text), ran=False)
            await self._supervised.call("settle", asked, Record)
            await self._supervised.remove([spec.id])
        raise error

    async def _after(self, spec: JobSpec) -> str:
        """Return Slurm's id of the job that must end first; raises RemoteError when it is not Slurm's."""
        if not spec.after:
            return ""
        other = await self._supervised.show(spec.after)
        if not other.queue_id:
            raise RemoteError(
                "Slurm cannot wait for that job",
                f"{clean(other.spec.name, 40) or other.id} is not one of Slurm's",
                "Run both by Slurm, or both by the box itself",
            )
        return other.queue_id

    async def list(self) -> tuple[Record, ...]:
        """Return all records of the box; see Backend.list."""
        return await self.settle(await self._supervised.list())

    async def show(self, job: str) -> Record:
        """Return one current record; see Backend.show."""
        return (await self.settle((await self._supervised.show(job),)))[0]

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        """Return its ticks; see Backend.ticks."""
        return await self._supervised.ticks(job, start)

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of the log; see Backend.page."""
        return await self._supervised.page(job, offset, length)

    async def search(self, job: str, query: Search, offset: int) -> Found:
        """Search the log for about a second; see Backend.search."""
        return await self._supervised.search(job, query, offset)

    async def count(self, job: str, query: Search, offset: int, end: int | None) -> Counted:
        """Count matching lines for about a second; see Backend.count."""
        return await self._supervised.count(job, query, offset, end)

    def follow(self, job: str, offset: int, *, wait: bool = True) -> AbstractAsyncContextManager[LogStream]:
        """Follow the log; see Backend.follow."""
        return self._supervised.follow(job, offset, wait=wait)

    async def stop(self, job: str, by: str) -> Record:
        """Request the stop of a job, first from its supervisor, then by scancel; see Backend.stop."""
        place = await self._required()
        record = await self.show(job)
        if record.state in ACTIVE:
            await self._supervised.stop(job, by)
            if record.queue_id.isdecimal():
                result, _ = await commands.run(
                    self._supervised.shell(), place, f"limited {submit.CANCELER} {record.queue_id}"
                )
                if not result.ok and b"nvalid job id" not in result.stderr:
                    raise commands.refused(result, "Slurm did not cancel the job")
        record = await self.show(job)
        return record if record.state != "running" else msgspec.structs.replace(record, state="stopping")

    async def remove(self, jobs: Sequence[str]) -> None:
        """Delete records of ended jobs; see Backend.remove."""
        await self._supervised.remove(jobs)

    async def _required(self) -> Place:
        if not await self.find():
            raise RemoteError("No Slurm", f"{self._box} has no sbatch", "Leave it to the box itself")
        return self._there()

    def _there(self) -> Place:
        assert self._place is not None
        return self._place

    def _open(self, record: Record) -> bool:
        """Return whether Slurm may know more about a job than its record."""
        if record.spec.backend != "slurm" or record.id in self._clear:
            return False
        return record.state in ACTIVE or endings.unclear(record)
