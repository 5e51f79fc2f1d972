"""What runs jobs on a box: our own supervisor, or Slurm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gpubox.core.job import JobWish
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


class LogStream(Protocol):
    """A log as it grows."""

    @property
    def offset(self) -> int:
        """Where the next piece begins in the file; what a new stream resumes at."""
        ...

    async def read(self) -> bytes:
        """Return what came next, or b"" when the job has ended and all was read; raises Dropped."""
        ...


class Backend(Protocol):
    """A way to run jobs; every method raises RemoteError in words, and Dropped when the link ends."""

    async def launch(self, wish: JobWish) -> Record:
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

    def follow(self, job: str, offset: int) -> AbstractAsyncContextManager[LogStream]:
        """Follow the log from a byte on; a negative offset counts from the end."""
        ...

    async def stop(self, job: str, by: str) -> Record:
        """Ask for the end of a job and all its processes; returns at once, with state `stopping`."""
        ...

    async def remove(self, jobs: Sequence[str]) -> None:
        """Delete the records and logs of ended jobs."""
        ...
