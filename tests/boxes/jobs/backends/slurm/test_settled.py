"""What becomes of a job's own ending while Slurm has not cleared up behind it."""

from __future__ import annotations

from typing import cast

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs.backends.slurm import commands
from gpubox.boxes.jobs.backends.slurm.backend import Slurm
from gpubox.boxes.jobs.backends.slurm.commands import Place, Queue
from gpubox.boxes.jobs.backends.slurm.endings import COMPLETING
from gpubox.boxes.jobs.backends.slurm.parse import AccountedJob
from gpubox.boxes.jobs.box_backend import BoxBackend
from gpubox.boxes.jobs.queue_view import QueueRow
from gpubox.core.record import Ending, Record
from tests.boxes.jobs.backend import ScriptedBackend, job
from tests.boxes.scripted import ScriptedShell


@pytest.mark.parametrize(
    ("ago", "state"), [(1.0, "stopping"), (COMPLETING + 1, "ended")], ids=["a moment ago", "a while ago"]
)
async def test_an_ending_waits_for_slurm_but_not_for_ever(
    ago: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = job(1, "ended", queue_id="7", ending=Ending("exit", 0))
    own = replace(own, ended=own.now - ago, spec=replace(own.spec, backend="slurm"))
    slurm = backend(QueueRow("7", "COMPLETING"), None, monkeypatch)
    (found,) = await slurm.settle([own])
    assert found.state == state
    assert (found.ending is None) is (state == "stopping")


@pytest.mark.parametrize("state", ["RUNNING", "NODE_FAIL"], ids=["lags", "waits for the supervisor"])
async def test_a_kill_is_not_shown_as_a_stop_before_slurm_has_named_its_cause(
    state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = job(1, "ended", queue_id="7", ending=Ending("stopped", by="scancel"))
    own = replace(own, spec=replace(own.spec, backend="slurm"))
    for ago, shown in ((1.0, "stopping"), (COMPLETING + 1, "ended")):
        own = replace(own, ended=own.now - ago)
        slurm = backend(None, AccountedJob(state), monkeypatch, own)
        (found,) = await slurm.settle([own])
        assert found.state == shown


async def test_slurm_is_asked_once_about_a_job_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    own = job(1, "ended", queue_id="7", ending=Ending("exit", 0))
    own = replace(own, ended=own.now - 1, spec=replace(own.spec, backend="slurm"))
    slurm = backend(None, AccountedJob("COMPLETED"), monkeypatch)
    assert await slurm.settle([own]) == (own,)
    backend(None, None, monkeypatch, forbidden=True)
    assert await slurm.settle([own]) == (own,)


def backend(
    row: QueueRow | None,
    reported: AccountedJob | None,
    monkeypatch: pytest.MonkeyPatch,
    settled: Record | None = None,
    *,
    forbidden: bool = False,
) -> Slurm:
    """A Slurm that has one job in its queue, or knows how one ended; a box that settles on `settled`."""

    async def find(*_: object) -> Place:
        return Place("/usr/bin")

    async def ask(*_: object) -> Queue:
        assert not forbidden
        return Queue(5000.0, (), (row,) if row else ())

    async def ends(*_: object) -> dict[str, AccountedJob]:
        assert not forbidden
        return {"7": reported} if reported else {}

    for name, made in (("find", find), ("ask", ask), ("ends", ends)):
        monkeypatch.setattr(commands, name, made)
    scripted = ScriptedBackend()
    shell = ScriptedShell()
    monkeypatch.setattr(scripted, "shell", lambda: shell, raising=False)

    async def call(*_: object) -> object:
        return settled

    monkeypatch.setattr(scripted, "call", call, raising=False)
    return Slurm("box", cast("BoxBackend", scripted))
