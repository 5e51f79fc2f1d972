"""Slurm's reasons and states in words: why a job waits, and how one ended that left no record."""

from __future__ import annotations

import re
from typing import Literal

from gpubox.boxes.jobs.backends.slurm.parse import AccountedJob
from gpubox.boxes.jobs.queue_view import QueueRow
from gpubox.core.record import Record

_SANE = 7 * 86400.0
"""Seconds in the future up to which an expected start is shown: without time limits it may lie a year off."""

_REASONS = {
    "Resources": "free resources",
    "Priority": "jobs with a higher priority",
    "Dependency": "the job that it comes after",
    "DependencyNeverSatisfied": "a job that did not succeed: it will never start",
    "BeginTime": "its time to begin",
    "JobHeldUser": "somebody to release it: it is held",
    "JobHeldAdmin": "the administrator to release it: it is held",
    "PartitionDown": "its partition, which is down",
    "PartitionInactive": "its partition, which is inactive",
    "PartitionTimeLimit": "nothing that can come: its time limit is longer than the partition allows",
    "PartitionConfig": "nothing that can come: its partition does not allow its time limit or its nodes",
    "PartitionNodeLimit": "nothing that can come: it wants more nodes than the partition allows",
    "ReqNodeNotAvail": "nodes that are down or reserved",
    "Reservation": "its reservation",
    "Licenses": "free licenses",
    "NodeDown": "a node that is down",
    "BadConstraints": "nothing that can come: no node has what it wants",
    "JobLaunchFailure": "another try: it could not be launched",
    "InvalidAccount": "nothing that can come: its account is not valid",
    "InvalidQOS": "nothing that can come: its quality of service is not valid",
    "JobArrayTaskLimit": "other tasks of its array",
    "QOSJobLimit": "other jobs of yours: your limit is reached",
    "AssociationJobLimit": "other jobs of your account: its limit is reached",
    "Prolog": "its node to be prepared",
    "NonZeroExitCode": "",
    "None": "Slurm to look at it",
    "": "Slurm to look at it",
}

_ENDED = {
    "COMPLETED": "Slurm ran it{where}, and our program was not started there; is the home folder the same?",
    "FAILED": "It failed{where} before it could be noted how{why}",
    "TIMEOUT": "Slurm's time limit passed",
    "OUT_OF_MEMORY": "It took more memory than Slurm gave it{where}, and was killed",
    "NODE_FAIL": "The node failed{where}",
    "PREEMPTED": "A job with a higher priority took its place",
    "BOOT_FAIL": "The node did not start{where}",
    "DEADLINE": "It could not end before its deadline",
    "CANCELLED": "It was canceled{by}",
    "REVOKED": "Slurm took it to another cluster",
    "LAUNCH_FAILED": "It could not be launched{where}",
}
"""Final states of Slurm."""

_FORCED = ("CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE")
"""States in which Slurm itself ended the job, though the supervisor only saw a signal or a status."""

Phase = Literal["queued", "running", "ended"]


def phase(state: str) -> Phase:
    """Map Slurm's state to the state of a job."""
    if state.split(" ")[0].rstrip("+") in _ENDED:
        return "ended"
    if state in ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "REQUEUE_FED"):
        return "queued"
    return "running"


def forced(found: AccountedJob, record: Record) -> bool:
    """Return whether Slurm ended a job, whatever status its record has."""
    base = found.state.split(" ")[0].rstrip("+")
    if base == "OUT_OF_MEMORY" and record.ending is not None and record.ending.code == 0:
        return False  # one of its processes was killed, and the job came to its own end without it
    return base in _FORCED


def waits(row: QueueRow, now: float) -> str:
    """Return in words what a queued job waits for, and when it is expected to start, if that is sane."""
    word = row.reason.strip("()").split(",")[0].strip()
    words = _REASONS.get(word)
    if words is None:
        words = "a limit: " + _spaced(word) if re.match("QOS|Assoc|Max", word) else _spaced(word)
    if row.start is not None and now < row.start < now + _SANE:
        words += f"; expected to start {_soon(row.start - now)}"
    return words


def _spaced(word: str) -> str:
    """Return CamelCase as words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", word).strip()


def _soon(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"in about {seconds / length:.0f} {unit}"
    return "within two minutes"


def ending(found: AccountedJob) -> str:
    """Return in words how a job ended that only Slurm knows of."""
    base = found.state.split(" ")[0].rstrip("+")
    if base not in _ENDED:
        return f"Slurm says {found.state}"
    # A batch job that a signal ended counts as one that could not be launched.
    evident = found.reason in ("", "NonZeroExitCode") or (found.signal and found.reason == "JobLaunchFailure")
    why = "" if evident else f" ({_spaced(found.reason)})"
    if base == "FAILED" and (found.code or found.signal):
        how = f"signal {found.signal}" if found.signal else f"status {found.code}"
        why = f": {how}{why}"
    where = f" on {found.where}" if found.where else ""
    by = "" if not found.by else " by root" if found.by == "0" else f" by user {found.by}"
    return _ENDED[base].format(where=where, why=why, by=by)
