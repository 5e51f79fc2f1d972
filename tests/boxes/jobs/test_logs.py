"""A log through drops: each byte comes once and in its order, and waiting costs nobody anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubox.boxes.jobs import logs
from gpubox.core import retry
from gpubox.core.channels import Channels
from gpubox.core.errors import RemoteError
from gpubox.core.feed import Feed
from tests.boxes.jobs.backend import CUT, ScriptedBackend, channels, ended, job, link
from tests.boxes.scripted import until
from tests.hang import LIMIT

JOB = job(1)
NO_LOG = RemoteError("No such job", "It is gone")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a moment where a user would wait a second."""
    monkeypatch.setattr(logs, "_LATER", 0.01)
    monkeypatch.setattr(logs, "_SOON", 0.001)
    monkeypatch.setattr(retry, "_MOMENT", 0.01)


async def whole(read: Callable[[], Awaitable[bytes]]) -> bytes:
    """All that comes until the end."""
    data = b""
    async with asyncio.timeout(LIMIT):
        while piece := await read():
            data += piece
    return data


async def test_a_log_is_read_to_its_end_and_let_go_of() -> None:
    backend = ScriptedBackend(JOB)
    backend.log, backend.done = b"0123456789", True
    async with logs.follow(backend, channels(link()), JOB.id, 0) as stream:
        assert await whole(stream.read) == b"0123456789"
        assert (stream.offset, backend.open) == (10, 1)
    assert backend.open == 0


@pytest.mark.parametrize("paged", [False, True])
async def test_a_log_is_copied_as_far_as_it_goes_over_two_links(paged: bool) -> None:
    backend = ScriptedBackend(JOB)
    backend.log = b"0123456789"
    feed = channels(link())
    async with logs.follow(backend, feed, JOB.id, 0, wait=False, paged=paged) as stream:
        data = await stream.read()
        backend.fails += [CUT]
        for one in backend.streams:
            one.cut()
        feed.put(link())
        assert data + await whole(stream.read) == b"0123456789"
    assert "show" not in backend.asked
    assert paged or backend.asked == ["copy 0", "copy 3", "copy 3"]


async def test_a_negative_offset_counts_from_the_end() -> None:
    backend = ScriptedBackend(JOB)
    backend.log, backend.done = b"0123456789", True
    for paged in (False, True):
        backend.records[JOB.id] = ended(JOB)
        async with logs.follow(backend, channels(link()), JOB.id, -4, paged=paged) as stream:
            assert stream.offset == 6
            assert await whole(stream.read) == b"6789"


async def test_a_log_goes_on_where_the_link_was_lost() -> None:
    backend = ScriptedBackend(JOB)
    backend.log = b"abcdef"
    feed = channels(link())
    async with logs.follow(backend, feed, JOB.id, 0) as stream:
        assert await stream.read() == b"abc"
        backend.streams[-1].cut()
        feed.put(None)
        reading = asyncio.ensure_future(stream.read())
        await until(lambda: backend.open == 0)
        feed.put(link())
        assert await reading == b"def"
        assert backend.asked == ["follow 0", "follow 3"]
        backend.streams[-1].end()
        assert await stream.read() == b""


async def test_a_reader_that_was_killed_on_the_box_is_started_again_over_the_same_link() -> None:
    backend = ScriptedBackend(JOB)
    backend.log, backend.done = b"abcdef", True
    async with logs.follow(backend, channels(link()), JOB.id, 0) as stream:
        await stream.read()
        backend.streams[-1].cut()
        assert await whole(stream.read) == b"def"
    assert len(backend.streams) == 2


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["write", "read", "cut", "lose", "fail"]), max_size=25))
def test_no_order_of_losses_loses_or_doubles_a_byte(steps: list[str]) -> None:
    asyncio.run(_steps(steps))


async def _steps(steps: list[str]) -> None:
    backend, data = ScriptedBackend(JOB), b""
    feed: Feed[Channels | None] = channels(link())
    async with logs.follow(backend, feed, JOB.id, 0) as stream:
        for number, step in enumerate(steps):
            if step == "write":
                backend.log += f"line {number}\n".encode()
            elif step == "fail" and not backend.fails:
                backend.fails.append(CUT if number % 2 else RemoteError("No channel"))
            elif step == "cut":
                backend.streams[-1].cut()
            elif step == "lose":
                backend.streams[-1].cut()
                feed.put(None)
                feed.put(link())
            elif len(data) < len(backend.log):
                data += await asyncio.wait_for(stream.read(), 30)
        backend.done = True
        data += await whole(stream.read)
    assert data == backend.log
    assert backend.open == 0


async def test_who_stops_waiting_for_a_link_holds_nothing() -> None:
    backend = ScriptedBackend(JOB)
    feed = channels(link())

    async def read() -> None:
        async with logs.follow(backend, feed, JOB.id, 0) as stream:
            await stream.read()

    reading = asyncio.ensure_future(read())
    await until(lambda: backend.streams)
    backend.streams[-1].cut()
    feed.put(None)
    await until(lambda: backend.open == 0)
    reading.cancel()
    (result,) = await asyncio.gather(reading, return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError)
    assert backend.open == 0


async def test_without_a_link_or_a_log_it_does_not_begin() -> None:
    for error, paged in ((CUT, False), (NO_LOG, False), (CUT, True), (NO_LOG, True)):
        backend = ScriptedBackend(JOB)
        backend.fails.append(error)
        with pytest.raises(type(error)):
            async with logs.follow(backend, channels(None), JOB.id, 0, paged=paged):
                pass


async def test_a_log_that_was_removed_meanwhile_is_reported_after_a_few_tries() -> None:
    for paged in (False, True):
        backend = ScriptedBackend(JOB)
        backend.log = b"abc"
        async with logs.follow(backend, channels(link()), JOB.id, 0, paged=paged) as stream:
            assert await stream.read() == b"abc"
            backend.fails += [NO_LOG] * 9
            for one in backend.streams:
                one.cut()
            with pytest.raises(RemoteError, match="No such job"):
                await asyncio.wait_for(stream.read(), 30)
            assert 3 <= 9 - len(backend.fails) <= 6


async def test_a_paged_log_holds_no_session_and_has_the_last_bytes() -> None:
    backend = ScriptedBackend(JOB)
    backend.log = b"first"
    async with logs.follow(backend, channels(link()), JOB.id, 0, paged=True) as stream:
        assert await stream.read() == b"first"
        assert backend.open == 0

        def last_words() -> None:
            if backend.asked.count("show") == 1:
                backend.log = b"firstlast"  # between the two questions

        backend.on_page = last_words
        backend.records[JOB.id] = ended(JOB)
        assert await whole(stream.read) == b"last"


async def test_a_paged_log_goes_on_over_the_next_link_and_does_not_spin_meanwhile() -> None:
    backend = ScriptedBackend(JOB)
    backend.log = b"abc"
    feed = channels(link())
    async with logs.follow(backend, feed, JOB.id, 0, paged=True) as stream:
        await stream.read()
        backend.fails += [CUT] * 1000  # the loss of the link is not heard of yet
        reading = asyncio.ensure_future(stream.read())
        await until(lambda: len(backend.fails) < 1000)
        assert len(backend.fails) > 900
        feed.put(None)
        backend.fails.clear()
        backend.log += b"def"
        feed.put(link())
        assert await asyncio.wait_for(reading, 30) == b"def"


async def test_a_loss_is_not_taken_for_an_end() -> None:
    backend = ScriptedBackend(JOB)
    feed = channels(link())
    async with logs.follow(backend, feed, JOB.id, 0) as stream:
        backend.streams[-1].cut()
        backend.done = True
        backend.log = b"late"
        assert await whole(stream.read) == b"late"
