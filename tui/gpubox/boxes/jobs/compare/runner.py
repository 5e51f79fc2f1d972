"""Runs jobs one after the other, so that none disturbs the next, and returns their records."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from gpubox.boxes.jobs import completion
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.logs import last_lines
from gpubox.boxes.jobs.wording import succeeded
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import ACTIVE, Record
from gpubox.core.shell import Shell


class RunProgress(Protocol):
    """An observer of the runs."""

    def begins(self, number: int, record: Record) -> None:
        """A run was launched; runs are numbered from 1."""
        ...

    def says(self, number: int, data: bytes) -> None:
        """A piece of the log of a run arrived."""
        ...

    def ended(self, number: int, record: Record) -> None:
        """A run has ended."""
        ...


async def run_all(
    jobs: Jobs, shell: Feed[Shell | None], specs: Sequence[JobSpec], progress: RunProgress
) -> list[Record]:
    """Launch jobs in order, each after the one before it ended, and return their records.

    Drops of the link are waited out, and a job is launched only once. Raises RemoteError when a job cannot
    be launched.
    """
    records: list[Record] = []
    for number, spec in enumerate(specs, 1):
        record = await completion.launch(jobs, shell, spec)
        progress.begins(number, record)
        with suppress(RemoteError, Dropped):  # a job that never started may have no log
            async with jobs.follow(record.id, 0) as stream:
                while data := await stream.read():
                    progress.says(number, data)
        if record.state in ACTIVE:
            record = await completion.wait(jobs, shell, record.id)
        progress.ended(number, record)
        records.append(record)
    return records


async def all_last_words(jobs: Jobs, records: Sequence[Record]) -> dict[str, str]:
    """Return the last line of the log of each failed run, by its id."""
    failed = [record for record in records if record.ending is not None and not succeeded(record)]
    return {record.id: " ".join(await last_lines(jobs, record.id, 1)) for record in failed}
