"""One tree of errors, each in words, and the bare one out of many jobs."""

from __future__ import annotations

import asyncio

import pytest

from gpubox.core import errors
from gpubox.core.errors import Dropped, GpuBoxError, ProbeError, RemoteError, Unreachable
from gpubox.core.prompts import Nobody, Question, QuestionKind
from gpubox.core.shell import CommandResult
from gpubox.core.tasks import together
from tests.hang import LIMIT

EVERY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GpuBoxError)]


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_is_in_the_picture_at_the_head_of_its_file(kind: type[GpuBoxError]) -> None:
    assert errors.__doc__ is not None
    assert f"─ {kind.__name__} " in errors.__doc__ or kind is GpuBoxError


@pytest.mark.parametrize("kind", EVERY)
def test_an_error_reads_as_sentences(kind: type[GpuBoxError]) -> None:
    error = kind("A title", "What happened to what.", "What to do")
    assert str(error) == "A title. What happened to what. What to do"
    assert (error.title, error.text, error.hint) == ("A title", "What happened to what.", "What to do")
    assert str(kind("Only a title")) == "Only a title"


def test_only_what_may_pass_by_itself_is_tried_again() -> None:
    again = {kind.__name__ for kind in EVERY if kind.again}
    assert again == {"Unreachable", "Dropped", "RemoteError", "CommandEnded", "ProbeError"}


def test_a_failed_command_keeps_its_status() -> None:
    assert RemoteError("No", status=3).status == 3
    assert ProbeError("No").status is None
    assert CommandResult(0, None, b"", b"").ok
    assert not CommandResult(None, "KILL", b"", b"").ok


async def test_nobody_declines_everything() -> None:
    assert await Nobody().ask(Question("xub", "New host key", "Really?", QuestionKind.YES_NO)) is None


async def wait() -> None:
    await asyncio.Event().wait()


async def fail(error: BaseException) -> None:
    raise error


async def test_the_first_error_ends_the_other_jobs_and_comes_bare() -> None:
    async with asyncio.timeout(LIMIT):
        with pytest.raises(Unreachable, match="gone"):
            await together(wait(), together(wait(), fail(Unreachable("gone"))))


async def test_jobs_that_return_are_waited_for() -> None:
    done: list[int] = []

    async def job(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await together(job(1), job(2))
    assert done == [1, 2]


async def test_the_cause_of_an_error_is_preserved() -> None:
    async def caused() -> None:
        raise Dropped("gone") from OSError("reset")

    with pytest.raises(Dropped) as caught:
        await together(caused(), wait())
    assert isinstance(caught.value.__cause__, OSError)


async def test_being_cancelled_cancels_the_jobs() -> None:
    ended: list[bool] = []

    async def job() -> None:
        try:
            await wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(together(job(), job()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True, True]
