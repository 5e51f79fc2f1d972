"""A box with jobs that a test tells what to do: the program is not run, only what it would answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from msgspec.structs import replace

from gpubox.boxes.jobs.backend import Counted, Found, LogStream, Page, Search
from gpubox.boxes.jobs.queue_view import QueueView
from gpubox.core.channels import Channels
from gpubox.core.errors import Dropped, GpuBoxError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import Ending, GpuPlace, Listing, Record, State, Tick

CUT = Dropped("Connection lost", "The box is gone")


def job(number: int, state: State = "running", **more: object) -> Record:
    """A job; those with higher numbers are newer."""
    name = f"20261123-1200{number:02d}-abcd{number:02d}"
    record = Record(
        id=name,
        state=state,
        spec=JobSpec(name, ("train", str(number)), line=f"train {number}", name=f"train-{number}"),
        submitted=1000.0 + number,
        now=5000.0,
    )
    return replace(record, **more)


def ended(record: Record, at: float = 4000.0, code: int = 0) -> Record:
    """The same job, ended."""
    return replace(record, state="ended", ended=at, ending=Ending("exit", code=code))


def link() -> Channels:
    """Channels of a new link; nobody opens them."""
    return cast("Channels", object())


class ScriptedBackend:
    """A backend with records and one log; `fails` has what the next questions raise, one after the other."""

    def __init__(self, *records: Record) -> None:
        self.queue: Feed[QueueView | None] = Feed(None)
        self.records = {record.id: record for record in records}
        self.now = 5000.0
        self.log = b""
        self.done = False
        self.places: tuple[GpuPlace, ...] = ()
        self.fails: list[GpuBoxError] = []
        self.asked: list[str] = []
        self.open = 0
        self.streams: list[ScriptedStream] = []
        self.gate: asyncio.Event | None = None
        self.on_page: Callable[[], None] = lambda: None

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.fails:
            raise self.fails.pop(0)

    async def variables(self) -> dict[str, str]:
        return {}

    async def look(self, *, gpus: bool = True) -> Listing:
        self._ask("look")
        found = Listing(self.now, tuple(self.records.values()), self.places if gpus else ())
        if self.gate is not None:
            await self.gate.wait()
        return found

    async def refresh(self, age: float = 0.0) -> None:
        return

    async def settle(self, records: Sequence[Record]) -> tuple[Record, ...]:
        return tuple(records)

    async def launch(self, spec: JobSpec) -> Record:
        self._ask("launch")
        return self.records.setdefault(
            spec.id, Record(id=spec.id, state="running", spec=spec, submitted=self.now, now=self.now)
        )

    async def list(self) -> tuple[Record, ...]:
        return (await self.look()).jobs

    async def show(self, job: str) -> Record:
        self._ask("show")
        return self.records[job]

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        self._ask("ticks")
        return (), start

    async def page(self, job: str, offset: int, length: int) -> Page:
        self._ask("page")
        self.on_page()
        offset = max(0, len(self.log) + offset) if offset < 0 else min(offset, len(self.log))
        return Page(offset, self.log[offset : offset + length], len(self.log))

    @asynccontextmanager
    async def follow(self, job: str, offset: int, *, wait: bool = True) -> AsyncGenerator[LogStream]:
        self._ask(f"{'follow' if wait else 'copy'} {offset}")
        offset = max(0, len(self.log) + offset) if offset < 0 else min(offset, len(self.log))
        stream = ScriptedStream(self, offset)
        stream.wait = wait
        self.streams.append(stream)
        self.open += 1
        try:
            yield stream
        finally:
            self.open -= 1

    async def search(self, job: str, query: Search, offset: int) -> Found:
        self._ask(f"search {query.words}")
        return Found(None, len(self.log), len(self.log))

    async def count(self, job: str, query: Search, offset: int, end: int | None) -> Counted:
        self._ask(f"count {query.words} {offset} {end}")
        return Counted((), open=False, done=True, size=len(self.log))

    async def stop(self, job: str, by: str) -> Record:
        self._ask("stop")
        self.records[job] = replace(self.records[job], state="stopping", now=self.now)
        return self.records[job]

    async def remove(self, jobs: Sequence[str]) -> None:
        self._ask("remove")
        for one in jobs:
            self.records.pop(one, None)


class ScriptedStream:
    """A stream of the log, three bytes at a time, until the test cuts it."""

    def __init__(self, backend: ScriptedBackend, offset: int) -> None:
        self.offset = offset
        self.wait = True
        self._backend = backend
        self._cut = asyncio.Event()
        self._news = asyncio.Event()

    def cut(self) -> None:
        """Lose this stream."""
        self._cut.set()
        self._news.set()

    def write(self, data: bytes) -> None:
        """Let the job write."""
        self._backend.log += data
        self._news.set()

    def end(self) -> None:
        """Let the job end."""
        self._backend.done = True
        self._news.set()

    async def read(self) -> bytes:
        while True:
            if self._cut.is_set():
                raise CUT
            piece = self._backend.log[self.offset : self.offset + 3]
            if piece or self._backend.done or not self.wait:
                self.offset += len(piece)
                return piece
            self._news.clear()
            await self._news.wait()


def channels(value: Channels | None) -> Feed[Channels | None]:
    """A feed of channels."""
    return Feed(value)
