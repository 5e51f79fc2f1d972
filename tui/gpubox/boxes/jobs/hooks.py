"""Runs the user's own command when a job ends, with the facts in its environment."""

from __future__ import annotations

import logging

from gpubox.boxes import user_command
from gpubox.core.job import JobSpec
from gpubox.core.record import Record, exit_status
from gpubox.core.sanitize import clean

log = logging.getLogger("gpubox.jobs")


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


async def run(command: str, box: str, record: Record, *, patience: float = user_command.PATIENCE) -> None:
    """Run the command of the settings for a job that ended, if there is one; see `user_command.run`."""
    if command and record.spec.notify:
        about = ("jobs.notify_command", record.id)
        await user_command.run(command, facts(box, record), log, about, patience=patience)
