"""This machine as a box with another home, and jobs that are run there to their end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gpubox.boxes.box import Box
from gpubox.boxes.context import BoxContext, Purpose
from gpubox.boxes.jobs.jobs import Jobs
from gpubox.boxes.jobs.spec_parsing import new_id
from gpubox.core.env import Env
from gpubox.core.job import JobSpec
from gpubox.core.record import Record
from gpubox.core.target import Target
from gpubox.local.link import LocalLink
from tests.boxes.scripted import until
from tests.hang import LIMIT
from tests.remote.envs.home import Home

_PYTHON = Path(sys.executable).resolve()


@asynccontextmanager
async def box_at(home: Home, monkeypatch: pytest.MonkeyPatch, **more: str) -> AsyncGenerator[Box]:
    """This machine as a box, with another home."""
    for name in [name for name in os.environ if name.startswith(("CONDA", "VIRTUAL_ENV", "PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    here = {**home.environment(), "GPUBOX_QUEUE_DIR": str(home.state.parent / "queue"), **more}
    here["PATH"] = f"{_PYTHON.parent}:{here['PATH']}"
    for name, value in here.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    box = Box(BoxContext(Target("local", "local"), python=sys.executable), LocalLink())
    keeping = asyncio.ensure_future(box.keep(Purpose.COMMAND))
    try:
        await until(lambda: box.shell.value is not None, 20)
        yield box
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


async def done(box: Box, spec: JobSpec) -> tuple[Record, str]:
    """Run a job to its end; return its record and its log."""
    jobs = box.use(Jobs)
    record = await jobs.launch(spec)
    async with asyncio.timeout(LIMIT):
        while record.state != "ended":
            await asyncio.sleep(0.1)
            record = await jobs.show(spec.id)
    page = await jobs.page(spec.id, 0, 1 << 20)
    return record, page.data.decode()


def succeeded(ran: tuple[Record, str]) -> str:
    record, log = ran
    assert record.ending is not None
    assert (record.ending.how, record.ending.code) == ("exit", 0), (record.ending, log)
    return log


def job(env: Env, *argv: str) -> JobSpec:
    return JobSpec(id=new_id(), argv=argv, prefix=env.prefix, kind=env.kind, env=env.name)
