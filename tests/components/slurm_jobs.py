"""Jobs for a real Slurm, and what becomes of them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gpubox.boxes.jobs.backends.slurm.backend import Slurm
from gpubox.boxes.jobs.box_backend import BoxBackend
from gpubox.boxes.jobs.spec_parsing import new_id
from gpubox.core.channels import Channels
from gpubox.core.feed import Feed
from gpubox.core.job import GpuRequest, JobSpec
from gpubox.core.record import Ending, Record
from gpubox.core.shell import Shell
from gpubox.local.channels import LocalChannels
from gpubox.local.shell import LocalShell
from tests.hang import LIMIT
from tests.remote.jobs.box import alive
from tests.remote.jobs.meters import waited

ONE = GpuRequest(count=1)
_PYTHON = os.path.realpath(sys.executable)
"""Named, because to look for it each time costs more than all the rest where pyenv's shim is in the way."""


def behind(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path | None = None) -> Slurm:
    """Whatever Slurm this machine's environment leads to; `cache` keeps our program from test to test."""
    for name in ("GPUBOX_STATE_DIR", "GPUBOX_QUEUE_DIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache or folder / "cache"))
    monkeypatch.setenv("SQUEUE_FORMAT", "%i only")
    shell = LocalShell()
    shells: Feed[Shell | None] = Feed(shell)
    channels: Feed[Channels | None] = Feed(LocalChannels(shell))
    return Slurm("box", BoxBackend("box", shells, channels, python=_PYTHON))


def spec(line: str, **more: object) -> JobSpec:
    """A job of one line for sh."""
    made = JobSpec(id=new_id(), argv=("/bin/sh", "-c", line), backend="slurm", grace=1.0, by="ada@laptop")
    return msgspec.structs.replace(made, **more)


async def until(
    backend: Slurm, record: Record, condition: Callable[[Record], object], limit: float = LIMIT
) -> Record:
    """Return a job's record once it meets a condition."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        record = await backend.show(record.id)
        if condition(record):
            return record
        await asyncio.sleep(0.1)
    raise AssertionError(f"it never came: {record}")


async def ended(backend: Slurm, record: Record, limit: float = LIMIT) -> Ending:
    """Return how a job ended."""
    record = await until(backend, record, lambda record: record.state == "ended", limit)
    assert record.ending is not None
    return record.ending


async def log_of(backend: Slurm, record: Record) -> bytes:
    """Return all of a job's log by following it to its end."""
    data = b""
    async with backend.follow(record.id, 0) as stream:
        while piece := await stream.read():
            data += piece
    return data


async def gone(file: Path) -> None:
    """Wait until the process that a file names is gone."""
    await asyncio.to_thread(lambda: waited(lambda: not alive(int(file.read_text()))))
