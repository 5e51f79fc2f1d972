"""Jobs under our own supervisor: each verb of its program on the box as a method; see remote/jobs/main.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import msgspec

from gpubox.agent import bundle, call
from gpubox.agent.bundle import Program
from gpubox.agent.program_pipes import ProgramPipes, piped
from gpubox.boxes.jobs.backend import Counted, Found, Page, Search
from gpubox.boxes.jobs.list_decoder import WORDING, ListDecoder, about, named_safely
from gpubox.boxes.jobs.queue_view import QueueView
from gpubox.boxes.login import Login
from gpubox.core.bounds import Whole
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import Ignored, JobSpec
from gpubox.core.record import Listing, Record, Tick
from gpubox.core.retry import connected
from gpubox.core.shell import Shell

T = TypeVar("T")
PAGE = 4 * 1024 * 1024
"""Most bytes of log per request."""
_TICKS = 512 * 1024
"""An answer with fewer bytes of samples than this is the last one."""
_LARGE = 128 * 1024
"""A list of more bytes is read in a thread: 1000 jobs take 10 ms."""
_HEAD = 64 * 1024
"""Most bytes of the first line of a log stream."""


class _Ticks(msgspec.Struct, frozen=True):
    ticks: tuple[Tick, ...]
    next: Whole


class _Header(msgspec.Struct, frozen=True):
    offset: Whole
    size: Whole


class BoxBackend:
    """See backend.Backend. It works over the present link."""

    def __init__(
        self,
        box: str,
        shell: Feed[Shell | None],
        channels: Feed[Channels | None],
        *,
        python: str = "",
        environment: Mapping[str, str] | None = None,
        login: Login | None = None,
    ) -> None:
        self.python = python
        """The Python of the box that the user named, or ""."""
        self._box = box
        self._shell = shell
        self._channels = channels
        self._reader = ListDecoder()
        self._wording = replace(WORDING, box=box)
        self.environment = dict(environment or {})
        """Variables for our program on the box."""
        self.queue: Feed[QueueView | None] = Feed(None)
        """Always None: its jobs are all that there are."""
        self.login = login
        """Reads the login environment for jobs; None when this process already has it."""

    @property
    def program(self) -> Program:
        """The program on the box."""
        return bundle.program("jobs", "gpubox.remote.jobs.main")

    def shell(self) -> Shell:
        """Return the shell of the present link; raises Dropped without one."""
        return connected(self._shell, self._box)

    async def call(self, verb: str, asked: object, answer: type[T]) -> T:
        """Send a request to the program and return its answer; raises RemoteError and Dropped."""
        return await call.call(
            self.shell(), self.program, asked, answer, self._wording, words=(verb,),
            python=self.python, environment=self.environment,
        )  # fmt: skip

    async def _raw(self, verb: str, asked: object) -> bytes:
        """Return a raw answer; raises RemoteError for a refusal, and as `call`."""
        result = await call.run(
            self.shell(), self.program, verb, wording=self._wording, stdin=call.encode(asked),
            python=self.python, environment=self.environment,
        )  # fmt: skip
        call.check(result.stdout, self._wording)
        return result.stdout

    async def launch(self, spec: JobSpec) -> Record:
        """Start or queue a job; see Backend.launch."""
        return about(spec.id, await self.call("launch", {"spec": spec, **await self._begin(spec)}, Record))

    async def prepare(self, spec: JobSpec) -> Record:
        """Write a job's record without starting it: another queue runs its payload."""
        found = await self._begin(spec)
        asked = {"spec": spec, "unread": found["unread"]} if "unread" in found else {"spec": spec}
        return about(spec.id, await self.call("prepare", asked, Record))

    async def variables(self) -> Mapping[str, str]:
        """Return the environment of a login of the box; empty if it is not read. Raises Dropped."""
        return (await self.login.read()).variables if self.login is not None else {}

    async def _begin(self, spec: JobSpec) -> dict[str, object]:
        """Return the unrecorded part of a request: the login environment, or why it is missing."""
        if self.login is None or not spec.login:
            return {}
        found = await self.login.read()
        if not found.trouble:
            return {"base": dict(found.variables)}
        words = f"A login's environment could not be read ({found.trouble}): the job runs without it"
        return {"unread": words}

    async def look(self, *, gpus: bool = True) -> Listing:
        """Return all records, newest first, and with `gpus` the GPUs, which takes longer."""
        data = await self._raw("list", {"gpus": gpus})
        if len(data) < _LARGE:
            return self._reader.read(data)
        return await asyncio.to_thread(self._reader.read, data)

    async def refresh(self, age: float = 0.0) -> None:
        """Do nothing: no queue but ours is polled."""

    async def settle(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Return the records as they are: the box knows no more; see Backend.settle."""
        return tuple(records)

    async def list(self) -> tuple[Record, ...]:
        """Return all records, newest first."""
        return (await self.look(gpus=False)).jobs

    async def show(self, job: str) -> Record:
        """Return one current record, with the files that are sent along."""
        return about(job, await self.call("show", {"id": job}, Record))

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        """Return its ticks from an offset of their file; see Backend.ticks."""
        found: list[Tick] = []
        while True:
            answer = await self.call("ticks", {"id": job, "start": start}, _Ticks)
            found += answer.ticks
            if answer.next - start < _TICKS:
                return tuple(found), max(start, answer.next)
            start = answer.next

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of the log, at most PAGE bytes; see Backend.page."""
        asked = {"id": job, "offset": offset, "length": min(length, PAGE)}
        head, newline, data = (await self._raw("page", asked)).partition(b"\n")
        header = call.decode(head + newline, _Header, self._wording)
        return Page(header.offset, data, header.size)

    @asynccontextmanager
    async def follow(self, job: str, offset: int, *, wait: bool = True) -> AsyncGenerator[Stream]:
        """Read the log over this link; see Backend.follow."""
        channels = connected(self._channels, self._box)
        words = ("follow" if wait else "copy", named_safely(job), str(offset))
        async with piped(channels, self.program, words, self.python, self.environment) as pipes:
            stream = Stream(pipes)
            await stream.begin()
            yield stream

    async def search(self, job: str, query: Search, offset: int) -> Found:
        """Search the log for about a second; see Backend.search."""
        asked = {"id": job, "words": query.words, "exact": query.exact, "step": query.step}
        return await self.call("search", {**asked, "offset": offset}, Found)

    async def count(self, job: str, query: Search, offset: int, end: int | None) -> Counted:
        """Count matching lines for about a second; see Backend.count."""
        asked = {"id": job, "words": query.words, "exact": query.exact}
        return await self.call("count", {**asked, "offset": offset, "end": end}, Counted)

    async def stop(self, job: str, by: str) -> Record:
        """Request the stop of a job; see Backend.stop."""
        return about(job, await self.call("stop", {"id": job, "by": by}, Record))

    async def remove(self, jobs: Sequence[str]) -> None:
        """Delete records of ended jobs; see Backend.remove."""
        await self.call("remove", {"ids": list(jobs)}, dict[str, object])

    async def ignore(self, process: Ignored) -> None:
        """Stop counting a process as a user of a GPU."""
        await self.call("ignore", {"pid": process.pid, "start": process.start}, dict[str, object])


class Stream:
    """A log over one link; see backend.LogStream."""

    def __init__(self, pipes: ProgramPipes) -> None:
        self.offset = 0
        """The offset of the next piece."""
        self.size = 0
        """Bytes of the log when the stream began."""
        self._pipes = pipes
        self._early = b""

    async def begin(self) -> None:
        """Read up to the first byte of the log; raises RemoteError."""
        seen = b""
        while b"\n" not in seen:
            piece = await self._pipes.read()
            seen += piece
            if not piece or len(seen) > _HEAD:
                said = self._pipes.last_words or "it said nothing"
                raise RemoteError("The log cannot be read", f"The box gave no log: {said}")
        line, _, self._early = seen.partition(b"\n")
        header = call.decode(line, _Header, WORDING)
        self.offset, self.size = header.offset, header.size

    async def read(self) -> bytes:
        """Return the next piece, or b"" at the end; see LogStream.read."""
        piece, self._early = self._early, b""
        if not piece:
            piece = await self._pipes.read()
        if not piece and (status := await self._pipes.wait()):
            # The program on the box ended before the job did: it was killed, or its login was.
            said = self._pipes.last_words or f"The reader on the box ended with {status}"
            raise Dropped("The log stopped coming", said)
        self.offset += len(piece)
        return piece
