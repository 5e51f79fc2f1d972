"""The user's own command at the end of a job: it runs with the facts, and cannot stop anything of ours."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from gpubox.boxes.jobs import hooks
from gpubox.core.record import Ending, Usage
from tests.boxes.jobs.backend import ended, job
from tests.boxes.scripted import until

RECORD = replace(ended(job(1)), usage=Usage(real=1.5))
EVIL = "$(touch hit); `touch hit`\n\x1b[31m'\"\0\u202e"


async def test_the_command_finds_the_facts(tmp_path: Path) -> None:
    file = tmp_path / "told"
    await hooks.run(f'env | grep "^GPUBOX_" | sort >"{file}"', "xub", RECORD)
    assert file.read_text().splitlines()[-7:] == [
        "GPUBOX_BOX=xub",
        "GPUBOX_JOB_HOW=exit",
        f"GPUBOX_JOB_ID={RECORD.id}",
        "GPUBOX_JOB_NAME=train-1",
        "GPUBOX_JOB_SECONDS=1.500",
        "GPUBOX_JOB_SIGNAL=",
        "GPUBOX_JOB_STATUS=0",
    ]


async def test_words_of_the_box_are_data(tmp_path: Path) -> None:
    hostile = replace(
        RECORD,
        id=EVIL,
        spec=replace(RECORD.spec, name=EVIL),
        ending=Ending("signal", signal=EVIL),
    )
    file = tmp_path / "told"
    await hooks.run(f'cd "{tmp_path}" && printf "%s" "$GPUBOX_JOB_NAME" >"{file}"', EVIL, hostile)
    assert file.read_text() == "$(touch hit); `touch hit` \ufffd[31m'\"\ufffd\ufffd"
    assert os.listdir(tmp_path) == ["told"]


async def test_nothing_runs_without_a_command_or_for_a_quiet_job(tmp_path: Path) -> None:
    file = tmp_path / "told"
    await hooks.run("", "xub", RECORD)
    await hooks.run(f'touch "{file}"', "xub", replace(RECORD, spec=replace(RECORD.spec, notify=False)))
    assert not file.exists()


async def test_a_failure_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "gpubox.jobs"):
        await hooks.run("exit 3", "xub", RECORD)
        await hooks.run("a\0b", "xub", RECORD)
    assert "status 3" in caplog.text
    assert "could not be started" in caplog.text


async def test_no_process_left_is_logged_and_no_more(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", full)
    await hooks.run("true", "xub", RECORD)
    assert "temporarily unavailable" in caplog.text


async def test_one_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    await hooks.run(f'sleep 600 & echo $! >"{file}"; wait', "xub", RECORD, patience=0.3)
    pid = int(file.read_text())
    await until(lambda: not alive(pid))


async def test_one_that_is_under_way_when_the_program_ends_goes_on(tmp_path: Path) -> None:
    begun, go, done = tmp_path / "begun", tmp_path / "go", tmp_path / "done"
    command = f'touch "{begun}"; until [ -e "{go}" ]; do sleep 0.02; done; touch "{done}"'
    running = asyncio.ensure_future(hooks.run(command, "xub", RECORD))
    await until(begun.exists)
    running.cancel()
    (result,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError)
    go.touch()
    await until(done.exists)


def alive(pid: int) -> bool:
    """Whether a process still runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
