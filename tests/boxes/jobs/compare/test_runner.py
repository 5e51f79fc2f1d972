"""Runs for a comparison go one after the other, and each starts once, also when the link drops."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs.backend import Page
from gpubox.boxes.jobs.compare.runner import all_last_words, run_all
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.job import JobSpec
from gpubox.core.record import Ending, Record
from gpubox.core.shell import Shell

ONE, TWO = cast("Shell", object()), cast("Shell", object())


class Log:
    """A log of a few words."""

    def __init__(self) -> None:
        self._pieces = [b"so ", b"far\n"]

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


class Box:
    """Jobs that end when they were asked about often enough."""

    def __init__(self, *, looks: int = 2) -> None:
        self.shell: Feed[Shell | None] = Feed(ONE)
        self.happened: list[str] = []
        self.drops: dict[str, int] = {}
        """How often a link drops at each kind of question, before it is answered."""
        self.log = b""
        self.no_log = False
        self._looks = looks
        self._left: dict[str, int] = {}

    def _drop(self, what: str) -> None:
        if self.drops.get(what, 0):
            self.drops[what] -= 1
            self.shell.put(None)
            self.shell.put(cast("Shell", object()))
            raise Dropped("Lost")

    async def launch(self, spec: JobSpec) -> Record:
        self.happened.append(f"launch {spec.id}")
        self._drop("launch")
        self._left.setdefault(spec.id, self._looks)
        return Record(id=spec.id, state="running", spec=spec, submitted=0.0)

    async def show(self, job: str) -> Record:
        self._drop("show")
        self._left[job] -= 1
        record = Record(id=job, state="running", spec=JobSpec(job, ()), submitted=0.0)
        if self._left[job] > 0:
            return record
        self.happened.append(f"end {job}")
        return replace(record, state="ended", ending=Ending("exit", code=0))

    @asynccontextmanager
    async def follow(self, job: str, offset: int, *, wait: bool = True) -> AsyncGenerator[Log]:
        if self.no_log:
            raise RemoteError("No log")
        yield Log()

    async def page(self, job: str, offset: int, length: int) -> Page:
        if self.no_log:
            raise RemoteError("No log")
        return Page(0, self.log, len(self.log))


class RecordedProgress:
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.said = b""

    def begins(self, number: int, record: Record) -> None:
        self.words.append(f"{number} begins")

    def says(self, number: int, data: bytes) -> None:
        self.said += data

    def ended(self, number: int, record: Record) -> None:
        self.words.append(f"{number} ended")


def specs(*names: str) -> list[JobSpec]:
    return [JobSpec(name, ("true",)) for name in names]


async def run(box: Box, *names: str) -> tuple[list[Record], list[str]]:
    received = RecordedProgress()
    return await run_all(cast("Jobs", box), box.shell, specs(*names), received), received.words


async def test_a_run_begins_when_the_one_before_it_has_ended() -> None:
    box = Box()
    records, received = await run(box, "a", "b")
    assert box.happened == ["launch a", "end a", "launch b", "end b"]
    assert [record.id for record in records] == ["a", "b"]
    assert received == ["1 begins", "1 ended", "2 begins", "2 ended"]


@pytest.mark.parametrize("where", ["launch", "show"])
async def test_a_lost_link_is_waited_out_and_the_same_job_is_asked_for_again(where: str) -> None:
    box = Box()
    box.drops[where] = 2
    records, _ = await run(box, "a")
    assert [record.state for record in records] == ["ended"]
    assert set(box.happened) == {"launch a", "end a"}


async def test_a_job_without_a_log_is_waited_for_all_the_same() -> None:
    box = Box()
    box.no_log = True
    records, _ = await run(box, "a")
    assert records[0].ending is not None


async def test_what_a_run_says_is_reported_while_it_goes_on() -> None:
    received = RecordedProgress()
    await run_all(cast("Jobs", box := Box()), box.shell, specs("a"), received)
    assert received.said == b"so far\n"


async def test_the_last_words_of_a_log_are_its_last_line_that_is_not_blank() -> None:
    box = Box()
    box.log = b"one\n\x1b[31mCUDA out of memory\x1b[0m\n\n  \n"
    good = Record(id="a", state="ended", spec=JobSpec("a", ()), submitted=0.0, ending=Ending("exit", code=0))
    failed, going = replace(good, id="b", ending=Ending("exit", code=1)), replace(good, id="c", ending=None)
    said = await all_last_words(cast("Jobs", box), [good, failed, going])
    assert said == {"b": "CUDA out of memory"}
    box.no_log = True
    assert await all_last_words(cast("Jobs", box), [failed]) == {"b": ""}
