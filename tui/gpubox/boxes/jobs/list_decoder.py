"""Decodes the list of jobs: of a thousand records every two seconds, few have changed."""

from __future__ import annotations

import logging
import re

import msgspec

from gpubox.agent.call import Wording
from gpubox.core.bounds import Moment
from gpubox.core.errors import RemoteError
from gpubox.core.json_bytes import Unreadable, decode_json
from gpubox.core.record import GpuPlace, Listing, Record
from gpubox.core.sanitize import clean

WORDING = Wording("Jobs cannot be read", "an answer about jobs")
"""The texts of errors for all answers of the jobs program."""

log = logging.getLogger("gpubox.jobs")

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9]{4,40}")
_NOW = re.compile(rb'"now": ?[0-9.]+')
"""The box's clock in a record; inside a string, its quotes would be escaped."""
_OLD = 900.0
"""Seconds after a job's end from which the time of reading no longer matters."""


class _Rows(msgspec.Struct, frozen=True):
    now: Moment
    jobs: tuple[msgspec.Raw, ...] = ()
    gpus: tuple[GpuPlace, ...] = ()


class ListDecoder:
    """Decodes successive lists; unchanged records are the same objects again."""

    def __init__(self) -> None:
        self._records = msgspec.json.Decoder(Record)
        self._rows = msgspec.json.Decoder(_Rows)
        self._known: dict[bytes, Record] = {}

    def read(self, data: bytes) -> Listing:
        """Decode a list; an unreadable record, such as one of a newer program, is skipped.

        Raises RemoteError when nothing can be read. May run in a thread, one call at a time.
        """
        try:
            rows = decode_json(data, self._rows)
        except Unreadable as error:
            raise WORDING.garbled(str(error)) from None
        found: list[Record] = []
        known: dict[bytes, Record] = {}
        for raw in rows.jobs:
            key = _NOW.sub(b"", bytes(raw))
            record = self._known.get(key) or self._record(raw)
            if record is None:
                continue
            found.append(record)
            if record.ended is not None and record.state == "ended" and record.now - record.ended > _OLD:
                known[key] = record
        self._known = known
        return Listing(now=rows.now, jobs=tuple(found), gpus=rows.gpus)

    def _record(self, raw: msgspec.Raw) -> Record | None:
        try:
            record = decode_json(raw, self._records)
            named_safely(record.id)
        except (Unreadable, RemoteError) as error:
            log.warning("a record of a job cannot be read: %s", clean(str(error), 200))
            return None
        return record


def about(job: str, record: Record) -> Record:
    """Return a record if it is of the requested job; raises RemoteError for another one."""
    if record.id != job:
        raise RemoteError(
            "Jobs cannot be read", f"The box answered for {clean(record.id, 60)}, not for {job}"
        )
    return record


def named_safely(job: str) -> str:
    """Return a job's id; raises RemoteError for one that is unsafe in a shell or a path."""
    if not _ID.fullmatch(job):
        raise RemoteError("No such job", f"{clean(job, 60)} is not the id of a job")
    return job
