"""Merges a poll of the jobs with what changed while it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gpubox.core.record import Record


def merged(records: Sequence[Record], changes: Mapping[str, Record | None]) -> tuple[Record, ...]:
    """Return the records with the changes since the poll began, newest first; None removes a job."""
    found: dict[str, Record | None] = {record.id: record for record in records}
    for job, record in changes.items():
        known = found.get(job)
        if record is None or known is None or record.now >= known.now:
            found[job] = record
    rows = [record for record in found.values() if record is not None]
    # By serial number: the box's clock may jump, and ids come from the clocks of several laptops.
    return tuple(sorted(rows, key=lambda one: (one.serial, one.submitted, one.id), reverse=True))
