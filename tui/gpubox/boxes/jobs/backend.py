"""The protocol of a job backend: our own supervisor, or a queue of the box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import msgspec

from gpubox.boxes.jobs.queue_view import QueueView
from gpubox.core.bounds import Whole
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import Record, Tick


@dataclass(frozen=True, slots=True)
class Page:
    """A raw piece of a log."""

    offset: int
    """Its offset in the file."""
    data: bytes
    size: int
    """Bytes of the whole log when it was read."""

    @property
    def end(self) -> int:
        """The offset of the next piece."""
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True)
class Search:
    """A search in a log."""

    words: str
    exact: bool = True
    """Whether it is case-sensitive; ignoring case works for ASCII only."""
    step: int = 1
    """1 searches forward from an offset, -1 backward."""


class Found(msgspec.Struct, frozen=True):
    """The progress of a search."""

    at: Whole | None
    """The offset of the matching line; None when none was found yet."""
    next: Whole
    """The offset to continue from; 0 or `size` when the whole log was searched."""
    size: Whole
    """Bytes of the whole log when it was read."""


class Counted(msgspec.Struct, frozen=True):
    """How many lines of a log match."""

    blocks: tuple[tuple[Whole, Whole], ...]
    """For each searched piece, in order: the offset of its end, and its number of matches."""
    open: bool
    """Whether the unfinished last line matches too."""
    done: bool
    """Whether the whole log was searched."""
    size: Whole
    """Bytes of the whole log when it was read."""


class LogStream(Protocol):
    """A log as it grows."""

    @property
    def offset(self) -> int:
        """The offset of the next piece, at which a new stream can resume."""
        ...

    async def read(self) -> bytes:
        """Return the next piece, or b"" at the end (when the job has ended); raises Dropped."""
        ...


class Backend(Protocol):
    """Runs jobs; every method raises RemoteError, and Dropped when the link ends."""

    @property
    def queue(self) -> Feed[QueueView | None]:
        """Its queue of everybody's jobs as last polled; None while the box is not known to have it."""
        ...

    async def refresh(self, age: float = 0.0) -> None:
        """Poll `queue` when the last poll is older than some seconds; a failure is in it. Raises Dropped."""
        ...

    async def settle(self, records: Sequence[Record]) -> tuple[Record, ...]:
        """Add to records what only the backend knows of its own: what a job waits for, how it ended.

        If it does not answer, they stay as they are. Raises Dropped.
        """
        ...

    async def launch(self, spec: JobSpec) -> Record:
        """Start or queue a job and return its record; submitting the same id again starts nothing."""
        ...

    async def list(self) -> tuple[Record, ...]:
        """Return all records, newest first."""
        ...

    async def show(self, job: str) -> Record:
        """Return one current record."""
        ...

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        """Return ticks from byte `start` of their file, and the offset of the next ones."""
        ...

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of the log; a negative offset counts from the end."""
        ...

    def follow(self, job: str, offset: int, *, wait: bool = True) -> AbstractAsyncContextManager[LogStream]:
        """Read the log from an offset until the job has ended, or without `wait` to its present end.

        A negative offset counts from the end.
        """
        ...

    async def search(self, job: str, query: Search, offset: int) -> Found:
        """Search the log for about a second, from the beginning of a line."""
        ...

    async def count(self, job: str, query: Search, offset: int, end: int | None) -> Counted:
        """Count matching lines for about a second, from the beginning of a line up to byte `end`."""
        ...

    async def stop(self, job: str, by: str) -> Record:
        """Request the stop of a job and all its processes; returns at once, with state `stopping`."""
        ...

    async def remove(self, jobs: Sequence[str]) -> None:
        """Delete the records and logs of ended jobs."""
        ...


def queues(backends: Mapping[str, Backend]) -> dict[str, QueueView]:
    """Return the queues that the box has besides its own, by the names of their backends."""
    return {name: view for name, one in backends.items() if (view := one.queue.value) is not None}
