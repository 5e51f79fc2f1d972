"""The protocol of a job backend: our own supervisor, or Slurm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import msgspec

from gpubox.core.bounds import Whole
from gpubox.core.job import JobSpec
from gpubox.core.record import Record, Tick


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a log, as its bytes lie in the file."""

    offset: int
    """Where it begins in the file."""
    data: bytes
    size: int
    """Bytes of the whole log when it was read."""

    @property
    def end(self) -> int:
        """Where the next piece begins."""
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for in a log."""

    words: str
    exact: bool = True
    """Whether capital letters count; only those of ASCII can be told from small ones."""
    step: int = 1
    """1 looks for the next line behind a byte, -1 for the last one before it."""


class Found(msgspec.Struct, frozen=True):
    """How far a search has come."""

    at: Whole | None
    """The byte where the line begins that has the words; None when none was found yet."""
    next: Whole
    """The byte to go on from, at 0 or at the `size` when all was looked through."""
    size: Whole
    """Bytes of the whole log when it was read."""


class Counted(msgspec.Struct, frozen=True):
    """How many lines of a log a search would stop at."""

    blocks: tuple[tuple[Whole, Whole], ...]
    """Of each piece that was looked through, in order: the byte behind it, and how many are in it."""
    open: bool
    """Whether the line behind them, which has not ended yet, is one too."""
    done: bool
    """Whether nothing is left to look through."""
    size: Whole
    """Bytes of the whole log when it was read."""


class LogStream(Protocol):
    """A log as it grows."""

    @property
    def offset(self) -> int:
        """Where the next piece begins in the file; what a new stream resumes at."""
        ...

    async def read(self) -> bytes:
        """Return what came next, or b"" when all was read (and the job has ended); raises Dropped."""
        ...


class Backend(Protocol):
    """A way to run jobs; every method raises RemoteError in words, and Dropped when the link ends."""

    async def launch(self, spec: JobSpec) -> Record:
        """Start or queue a job and return its record; the same id sent again starts nothing more."""
        ...

    async def list(self) -> tuple[Record, ...]:
        """Return all jobs there are records of, newest first."""
        ...

    async def show(self, job: str) -> Record:
        """Return one record as it is now."""
        ...

    async def ticks(self, job: str, start: int = 0) -> tuple[tuple[Tick, ...], int]:
        """Return its seconds from byte `start` of their file, and where the next ones begin."""
        ...

    async def page(self, job: str, offset: int, length: int) -> Page:
        """Return a piece of the log; a negative offset counts from the end."""
        ...

    def follow(self, job: str, offset: int, *, wait: bool = True) -> AbstractAsyncContextManager[LogStream]:
        """Read the log from a byte on, until the job has ended, or without `wait` as far as it goes now.

        A negative offset counts from the end.
        """
        ...

    async def search(self, job: str, wanted: Search, offset: int) -> Found:
        """Search the log for about a second, from where a line begins on."""
        ...

    async def count(self, job: str, wanted: Search, offset: int, end: int | None) -> Counted:
        """Count for about a second what `search` would find, from where a line begins up to byte `end`."""
        ...

    async def stop(self, job: str, by: str) -> Record:
        """Ask for the end of a job and all its processes; returns at once, with state `stopping`."""
        ...

    async def remove(self, jobs: Sequence[str]) -> None:
        """Delete the records and logs of ended jobs."""
        ...
