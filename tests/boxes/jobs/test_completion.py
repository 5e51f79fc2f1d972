"""Jobs that are launched, waited for and explained, through losses of the link."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs import completion
from gpubox.core.errors import Dropped, RemoteError
from gpubox.core.feed import Feed
from gpubox.core.record import Ending, Record
from tests.boxes.jobs.backend import CUT, ScriptedBackend, ended, job
from tests.boxes.scripted import until
from tests.hang import LIMIT


def up() -> Feed[object | None]:
    """A link that is there; a test puts the next one."""
    return Feed(object())


async def test_a_launch_whose_answer_is_lost_starts_no_second_job() -> None:
    backend, link = ScriptedBackend(), up()
    backend.fails = [CUT]
    launching = asyncio.ensure_future(completion.launch(backend, link, job(1).spec))
    await asyncio.sleep(0)
    link.put(None)
    link.put(object())
    async with asyncio.timeout(LIMIT):
        record = await launching
    assert (record.id, list(backend.records)) == (job(1).id, [job(1).id])
    assert backend.asked == ["launch", "launch"]


async def test_a_launch_of_now_does_not_wait_for_a_link() -> None:
    backend, link = ScriptedBackend(), Feed[object | None](None)
    backend.fails = [CUT]
    with pytest.raises(Dropped):
        await completion.launch(backend, link, job(1).spec, now=True)
    assert backend.asked == ["launch"]


async def test_a_job_is_waited_for_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "_POLL", 0)
    backend, link = ScriptedBackend(job(1)), up()
    waiting = asyncio.ensure_future(completion.wait(backend, link, job(1).id))
    await until(lambda: backend.asked.count("show") >= 3)
    assert not waiting.done()
    backend.records[job(1).id] = ended(job(1), code=3)
    async with asyncio.timeout(LIMIT):
        assert (await waiting).ending == Ending("exit", code=3)


async def test_a_job_that_somebody_else_looks_at_is_waited_for_without_a_question() -> None:
    records: Feed[tuple[Record, ...]] = Feed(())
    waiting = asyncio.ensure_future(completion.wait_watched(records, job(1).id))
    for newest in ((), (job(1), job(2)), (ended(job(2)), job(1))):
        records.put(newest)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not waiting.done()
    records.put((ended(job(1)),))
    async with asyncio.timeout(LIMIT):
        assert await waiting == ended(job(1))


async def test_a_job_that_is_removed_is_waited_for_no_longer() -> None:
    records: Feed[tuple[Record, ...]] = Feed((job(1),))
    waiting = asyncio.ensure_future(completion.wait_watched(records, job(1).id))
    await asyncio.sleep(0)
    records.put(())
    async with asyncio.timeout(LIMIT):
        assert await waiting is None


async def test_an_explanation_waits_for_the_cause_and_holds_the_last_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(completion, "_PAUSE", 0)
    failed = ended(job(1), code=1)
    backend = ScriptedBackend(replace(failed, ending=Ending("exit", code=1, why="no AVX-512")))
    backend.log = b"Collecting cats\n\x1b[31mno such package\x1b[0m\n\n"
    found = await completion.explain(backend, up(), replace(failed, explaining=True))
    assert found.words == "exit 1 (no AVX-512; no such package)"
    assert found.lines == ["Collecting cats", "no such package"]
    assert backend.asked == ["show", "page"]


async def test_an_end_is_known_although_its_cause_and_its_log_are_not() -> None:
    backend = ScriptedBackend()
    backend.fails = [RemoteError("No log"), RemoteError("No log")]
    failed = replace(ended(job(1), code=4), explaining=True)
    found = await completion.explain(backend, up(), failed)
    assert (found.record, found.words, list(found.lines)) == (failed, "exit 4", [])
