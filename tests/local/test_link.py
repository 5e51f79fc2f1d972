"""The link to this machine: live at once, troubled only by its work."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.core.errors import GpuBoxError, ProbeError, ProbeTooNew
from gpubox.core.link_state import Phase
from gpubox.core.shell import Shell
from gpubox.local.link import LocalLink
from tests.boxes.scripted import until


class Work:
    """Work that raises what it is given, one error after the other, then goes on forever."""

    def __init__(self, *errors: GpuBoxError) -> None:
        self.errors = list(errors)
        self.begun = 0

    async def __call__(self, shell: Shell) -> None:
        self.begun += 1
        assert (await shell.run("true")).ok
        if self.errors:
            raise self.errors.pop(0)
        await asyncio.Event().wait()


async def saved(link: LocalLink, work: Work) -> asyncio.Task[None]:
    task = asyncio.create_task(link.keep(work))
    await until(lambda: work.begun)
    return task


async def closed(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def test_it_is_live_at_once_and_idle_at_the_end() -> None:
    link, work = LocalLink(), Work()
    assert link.health.value.phase is Phase.IDLE
    task = await saved(link, work)
    assert link.health.value.phase is Phase.LIVE
    assert link.health.value.address
    await closed(task)
    assert link.health.value.phase is Phase.IDLE


async def test_work_that_may_do_better_is_begun_again_by_itself() -> None:
    link, work = LocalLink(retry_first=0.01), Work(ProbeError("a"), ProbeError("b"))
    task = await saved(link, work)
    await until(lambda: work.begun == 3)
    assert link.health.value.phase is Phase.LIVE
    await closed(task)


async def test_a_wait_says_until_when_and_why_and_r_ends_it() -> None:
    link, work = LocalLink(retry_first=60, retry_cap=60), Work(ProbeError("a"))
    task = await saved(link, work)
    await until(lambda: link.health.value.phase is Phase.WAITING)
    health = link.health.value
    assert health.reason is not None
    assert health.reason.title == "a"
    assert health.attempt == 1
    assert health.retry_at is not None
    assert 40 < health.retry_at - health.since <= 60
    link.retry()
    await until(lambda: work.begun == 2)
    await closed(task)


async def test_waits_grow_up_to_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    def longest(_: float, high: float) -> float:
        return high

    monkeypatch.setattr("random.uniform", longest)
    link, work = LocalLink(retry_first=1, retry_cap=5), Work(*(ProbeError(str(n)) for n in range(6)))
    pauses: list[float] = []
    task = await saved(link, work)
    for number in range(1, 7):
        await until(lambda number=number: link.health.value.attempt == number)
        health = link.health.value
        assert health.retry_at is not None
        pauses.append(round(health.retry_at - health.since))
        link.retry()
    assert pauses == [1, 2, 4, 5, 5, 5]
    await closed(task)


async def test_what_only_a_person_can_repair_waits_for_the_person() -> None:
    link, work = LocalLink(retry_first=0.001), Work(ProbeTooNew("newer"))
    task = await saved(link, work)
    await until(lambda: link.health.value.phase is Phase.REFUSED)
    assert link.health.value.retry_at is None
    await asyncio.sleep(0.05)  # fifty times its first wait nothing may begin
    assert work.begun == 1
    link.retry()
    await until(lambda: work.begun == 2)
    await closed(task)


async def test_work_that_is_done_leaves_the_link_live() -> None:
    done = asyncio.Event()

    async def work(_: Shell) -> None:
        done.set()

    link = LocalLink()
    task = asyncio.create_task(link.keep(work))
    await done.wait()
    await asyncio.sleep(0)
    assert link.health.value.phase is Phase.LIVE
    await closed(task)
