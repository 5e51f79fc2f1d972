"""Runs the user's own command when a job ends, with the facts in its environment."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress

from gpubox.core.job import JobSpec
from gpubox.core.record import Record, exit_status
from gpubox.core.sanitize import clean

log = logging.getLogger("gpubox.jobs")

PATIENCE = 30.0
"""Seconds for the command."""
_WAITS = '/bin/sh -c "$0"; exit $?'
"""A shell that waits for the command: if this program ends, only the shell is killed, and the command
continues."""


def facts(box: str, record: Record) -> dict[str, str]:
    """Return the variables for the command; text of the box is cleaned for one line."""
    spec: JobSpec = record.spec
    ending = record.ending
    return {
        "GPUBOX_BOX": clean(box, 120),
        "GPUBOX_JOB_ID": clean(record.id, 80),
        "GPUBOX_JOB_NAME": clean(spec.name or spec.command, 200),
        "GPUBOX_JOB_HOW": ending.how if ending is not None else "",
        "GPUBOX_JOB_STATUS": str(exit_status(record)),
        "GPUBOX_JOB_SIGNAL": clean(ending.signal, 20) if ending is not None else "",
        "GPUBOX_JOB_SECONDS": f"{record.usage.real:.3f}" if record.usage is not None else "",
    }


async def run(command: str, box: str, record: Record, *, patience: float = PATIENCE) -> None:
    """Run the command of the settings for a job that ended, if there is one; its failure is logged.

    It is killed after `patience` seconds. It outlives this program, so that a user who quits right after the
    end of a job is still notified.
    """
    if not command or not record.spec.notify:
        return
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _WAITS,
            command,
            env={**os.environ, **facts(box, record)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        # For example, no free process, a zero byte, or a locale without its letters.
        log.warning("jobs.notify_command could not be started for %s: %s", record.id, error)
        return
    try:
        async with asyncio.timeout(patience):
            status = await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only a zombie is left
            os.killpg(process.pid, signal.SIGKILL)
        status = await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if status:
        log.warning("jobs.notify_command ended with status %s for %s", status, record.id)
