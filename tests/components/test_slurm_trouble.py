"""A real Slurm that fails, forgets or is not there."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from gpubox.boxes.jobs.backends.slurm.backend import Slurm
from gpubox.core.errors import RemoteError
from gpubox.core.record import Record
from tests.components.parts import program
from tests.components.slurm_jobs import ONE, behind, ended, spec, until
from tests.components.slurms import SlurmTest, slurm


async def test_a_node_that_fails_is_named_as_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own") as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        backend = behind(tmp_path, monkeypatch)
        record = await backend.launch(spec("sleep 100"))
        record = await until(backend, record, lambda record: record.state == "running" and record.queue_id)
        node = made.run("sinfo", "-h", "-N", "-o", "%N").split()[0]
        made.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        ending = await ended(backend, record)
        assert ending.how == "queue"
        assert ending.words == f"The node failed on {node}"
        assert (await backend.show(record.id)).usage


async def test_a_dead_controller_costs_words_and_not_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own") as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        backend = behind(tmp_path, monkeypatch)
        monkeypatch.setattr("gpubox.boxes.jobs.backends.slurm.commands.LIMIT", 1)
        record = await backend.launch(spec("sleep 100", gpus=ONE))
        waiting = await backend.launch(spec("sleep 100", gpus=ONE))
        await until(backend, record, lambda record: record.state == "running")
        await until(backend, waiting, lambda record: record.waits)
        made.end("slurmctld")
        records = {record.id: record for record in await backend.list()}
        assert records[record.id].state == "running"
        assert "contact" in records[waiting.id].waits.lower() or "nothing" in records[waiting.id].waits
        assert backend.queue.value is not None
        assert backend.queue.value.trouble
        stopped = await backend._supervised.stop(record.id, "ada@laptop")
        assert stopped.state in ("stopping", "ended")
        made.begin("slurmctld")  # or nobody would take what is left of the job away


async def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: SlurmTest) -> tuple[Slurm, Record]:
    """Return a job that waited, was canceled by hand, and that Slurm no longer knows without accounting."""
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    backend = behind(tmp_path, monkeypatch)
    await backend.launch(spec("sleep 100", gpus=ONE))
    record = await backend.launch(spec("sleep 100", gpus=ONE))
    record = await until(backend, record, lambda record: record.waits and record.queue_id)
    made.run("scancel", record.queue_id)
    await asyncio.to_thread(made.forget)
    return backend, record


async def test_a_job_that_slurm_forgot_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own") as made:
        backend, record = await forgotten(tmp_path, monkeypatch, made)
        assert (await backend.show(record.id)).state == "queued", "it may still come"
        monkeypatch.setattr("gpubox.boxes.jobs.backends.slurm.backend.FORGOTTEN", 0.0)
        ending = await ended(backend, record)
        assert (ending.how, ending.words) == ("queue", f"Slurm no longer knows its job {record.queue_id}")


async def test_accounting_is_asked_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm(tmp_path / "own") as made:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in ("sbatch", "squeue", "sinfo", "scontrol", "scancel"):
            (folder / name).symlink_to(shutil.which(name) or "")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        cells = '"$n|CANCELLED by 1002|0:15|1763901200|Unknown|"'
        script = f"for n; do [ x$before != x-j ] || echo {cells}; before=$n; done"
        (folder / "sacct").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "sacct").chmod(0o755)
        backend, record = await forgotten(tmp_path, monkeypatch, made)
        ending = await ended(backend, record)
        assert (ending.how, ending.words) == ("stopped", "It was canceled by user 1002")


async def test_a_box_without_slurm_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpubox.boxes.jobs.backends.slurm.commands._FIND", "true")
    backend = behind(tmp_path, monkeypatch)
    assert not await backend.find()
    assert await backend.look() is None
    with pytest.raises(RemoteError, match="has no sbatch"):
        await backend.launch(spec("true"))


async def test_slurms_programs_without_a_cluster_are_no_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = behind(tmp_path, monkeypatch)
    monkeypatch.delenv("SLURM_CONF", raising=False)
    program("sbatch")
    assert not await backend.find()
    assert await backend.look() is None
