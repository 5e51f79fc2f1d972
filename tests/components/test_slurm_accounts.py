"""A real Slurm with its accounting: what sacct tells when the controller has forgotten a job."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from gpubox.boxes.jobs.backends.slurm import commands
from gpubox.local.shell import LocalShell
from tests.components.slurm_jobs import ONE, behind, ended, spec, until
from tests.components.slurms import SlurmTest, slurm
from tests.remote.jobs.meters import waited


def known(made: SlurmTest, number: str) -> str:
    """Return the state of a job as sacct tells it, once it has an end."""
    cells = made.run("sacct", "-n", "-P", "-X", "-j", number, "-o", "State,End").strip().split("|")
    return cells[0] if cells[-1] not in ("", "Unknown") else ""


async def test_sacct_reports_how_jobs_ended_that_the_controller_forgot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own", accounts=True) as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        backend = behind(tmp_path, monkeypatch)
        begun = int(time.time())
        failed = await backend.launch(spec("exit 3"))
        assert (await ended(backend, failed)).code == 3
        blocking = await backend.launch(spec("sleep 100", gpus=ONE))
        await until(backend, blocking, lambda record: record.state == "running")
        waiting = await backend.launch(spec("sleep 100", gpus=ONE))
        waiting = await until(backend, waiting, lambda record: record.waits and record.queue_id)
        made.run("scancel", waiting.queue_id)
        stray = made.run("sbatch", "--parsable", "--output=/dev/null", "--wrap", "kill -SEGV $$").strip()
        failed = await backend.show(failed.id)
        numbers = [failed.queue_id, waiting.queue_id, stray]
        for number in numbers:
            await asyncio.to_thread(waited, lambda number=number: known(made, number))
        await backend.stop(blocking.id, "ada@laptop")
        await ended(backend, blocking)
        await asyncio.to_thread(made.forget)

        place = await commands.find(LocalShell())
        assert place is not None
        reported = await commands.ends(LocalShell(), place, numbers)
        one, other, third = (reported[number] for number in numbers)
        assert (one.state, one.code, one.signal) == ("FAILED", 3, 0)
        assert one.where
        assert one.started is not None
        assert one.ended is not None
        assert begun <= one.started <= one.ended <= time.time()
        assert (other.state, other.by, other.started, other.where) == (
            "CANCELLED",
            f"{os.getuid()}",
            None,
            "",
        )
        assert (third.state, third.code, third.signal) == ("FAILED", 0, 11)

        ending = await ended(backend, waiting)
        who = "root" if os.getuid() == 0 else f"user {os.getuid()}"
        assert (ending.how, ending.words) == ("stopped", f"It was canceled by {who}")
        record = await backend.show(waiting.id)
        assert record.started is None
        assert record.ended == other.ended
        assert (await ended(backend, failed)).code == 3
