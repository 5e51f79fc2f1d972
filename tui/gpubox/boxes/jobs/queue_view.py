"""The queue of a backend for display: partitions, and everybody's jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpubox.common import units


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition: a set of nodes that jobs queue for."""

    name: str
    default: bool = False
    up: bool = True
    limit: float | None = None
    """Most seconds that a job may run there; None for no limit."""
    nodes: int = 0
    idle: int = 0
    """Nodes on which nothing runs."""
    down: int = 0
    """Nodes that take no jobs now."""
    cpus: int = 0
    cpus_used: int = 0
    gpus: int = 0
    gpus_used: int = 0
    """GPUs in use, reported by the nodes, else summed over the jobs in the queue."""
    kinds: tuple[str, ...] = ()
    """Models of GPUs, as the administrator named them."""
    reasons: tuple[str, ...] = ()
    """Why nodes take no jobs: the nodes, their state and the recorded reason."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A job in the queue, of any user."""

    id: str
    state: str
    """PENDING while it waits, RUNNING while it runs; otherwise a word of the queue."""
    partition: str = ""
    user: str = ""
    name: str = ""
    job: str = ""
    """The id of our record, for a job of ours."""
    reason: str = ""
    """Why it does not run, in one word of the queue."""
    ran: float | None = None
    """Run time in seconds."""
    limit: float | None = None
    nodes: int = 0
    cpus: int = 0
    gpus: int = 0
    """On all of its nodes together."""
    where: str = ""
    """The nodes that it has."""
    start: float | None = None
    """When it started, or is expected to."""
    submitted: float | None = None
    own: bool = False
    """Whether it belongs to the user who logged in."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue as it was last polled."""

    partitions: tuple[Partition, ...] = ()
    queue: tuple[QueueRow, ...] = ()
    """Waiting and running jobs of all users."""
    now: float = 0.0
    """The box's clock then."""
    trouble: str = ""
    """Why the query failed, in words; the other fields are those of the last success."""


def partition_choices(view: QueueView) -> Sequence[tuple[str, str]]:
    """Return the partitions, with a note on whether a job would start there soon."""
    return [(one.name, _words(one)) for one in view.partitions]


def _words(partition: Partition) -> str:
    parts = [f"{partition.idle} of {partition.nodes} nodes idle"]
    if partition.gpus:
        parts.append(f"{partition.gpus - partition.gpus_used} of {partition.gpus} GPUs free")
    parts += [f"at most {units.duration(partition.limit)}"] if partition.limit is not None else []
    parts += ["the default"] if partition.default else []
    parts += [] if partition.up else ["closed"]
    return ", ".join(parts)
