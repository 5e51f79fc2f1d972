"""The box's own backend: our supervisor runs the job, and a queue of file locks orders them."""

from __future__ import annotations

from gpubox.boxes.jobs.backends import BOX, BackendKind

BACKEND = BackendKind(BOX, "the box itself", "our own supervisor, at once", lambda _, own: own)
