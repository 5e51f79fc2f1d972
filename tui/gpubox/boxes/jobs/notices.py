"""The person's own command at the end of a job; what it gets to know comes in its environment."""

from __future__ import annotations

import asyncio
import logging
import os

from gpubox.core.job import JobWish
from gpubox.core.record import Record, exit_status
from gpubox.core.text import clean

log = logging.getLogger("gpubox.jobs")

_PATIENCE = 30.0


def facts(box: str, record: Record) -> dict[str, str]:
    """Return what the command finds in its environment; texts of the box are cleaned for one line."""
    wish: JobWish = record.wish
    ending = record.ending
    return {
        "GPUBOX_BOX": clean(box, 120),
        "GPUBOX_JOB_ID": record.id,
        "GPUBOX_JOB_NAME": clean(wish.name or wish.line or " ".join(wish.argv), 200),
        "GPUBOX_JOB_HOW": ending.how if ending is not None else "",
        "GPUBOX_JOB_STATUS": str(exit_status(record)),
        "GPUBOX_JOB_SIGNAL": clean(ending.signal, 20) if ending is not None else "",
        "GPUBOX_JOB_SECONDS": f"{record.usage.real:.3f}" if record.usage is not None else "",
    }


async def run(command: str, box: str, record: Record) -> None:
    """Run the command of the settings for a job that ended, if there is one; its failure is logged."""
    if not command or not record.wish.notify:
        return
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        command,
        env={**os.environ, **facts(box, record)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            status = await process.wait()
    except TimeoutError:
        process.kill()
        status = await process.wait()
    if status:
        log.warning("jobs.notify_command ended with status %s for %s", status, record.id)
