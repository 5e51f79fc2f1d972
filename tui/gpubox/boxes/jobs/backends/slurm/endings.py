"""What a record says while Slurm may still know more of the job's end than its supervisor did."""

from __future__ import annotations

import msgspec

from gpubox.boxes.jobs.backends.slurm import messages
from gpubox.boxes.jobs.backends.slurm.submit import CANCELER
from gpubox.boxes.jobs.queue_view import QueueRow
from gpubox.core.record import Record

RECENT = 600.0
"""Seconds for which Slurm is queried again about a job that ended."""
COMPLETING = 30.0
"""Seconds that an ending waits for Slurm to clean up, and to report whether it ended the job."""


def unclear(record: Record) -> bool:
    """Return whether a job ended recently, and maybe because of Slurm."""
    ending = record.ending
    if ending is None or record.now - (record.ended or 0.0) > RECENT:
        return False
    # Slurm signals all processes at once: the command may be gone before its supervisor knows why, with
    # whatever status a shell or a handler makes of that. 0 is one of them: `wait` in sh ends so when the
    # process that it waits for was hit first.
    return ending.how in ("exit", "signal", "lost", "reboot") or ending.by == CANCELER


def late(record: Record) -> bool:
    """Return whether a job ended so long ago that nothing more is expected of Slurm."""
    return record.state == "ended" and record.now - (record.ended or 0.0) > COMPLETING


def completing(record: Record) -> Record:
    """Return a record as it is while Slurm may still say that it ended the job."""
    return _stopping(record) if record.state == "ended" and unclear(record) and not late(record) else record


def _stopping(record: Record) -> Record:
    return msgspec.structs.replace(record, state="stopping", ended=None, ending=None)


def alive(record: Record, row: QueueRow, now: float) -> Record:
    """Add the state of the queue to a record."""
    if messages.phase(row.state) == "queued":
        words = messages.waits(row, now)
        return msgspec.structs.replace(record, queue_id=row.id, state="queued", waits=words)
    if record.state == "ended":
        return msgspec.structs.replace(_stopping(record), queue_id=row.id)
    begun = "starting" if record.state == "queued" else record.state
    return msgspec.structs.replace(record, queue_id=row.id, state=begun, waits="")
