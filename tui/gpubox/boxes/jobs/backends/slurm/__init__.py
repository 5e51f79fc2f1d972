"""Jobs that Slurm queues: commands, parsers and the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpubox.boxes.jobs.backends import BackendKind, BackendOption
from gpubox.boxes.jobs.queue_view import partition_choices

if TYPE_CHECKING:
    from gpubox.boxes.jobs.backend import Backend
    from gpubox.boxes.jobs.box_backend import BoxBackend


def _make(box: str, supervised: BoxBackend) -> Backend:
    from gpubox.boxes.jobs.backends.slurm.backend import Slurm

    return Slurm(box, supervised)


BACKEND = BackendKind(
    "slurm",
    "Slurm",
    "sbatch queues it",
    _make,
    (BackendOption("partition", "Partition", "where it is queued", "Slurm's default", partition_choices),),
)
