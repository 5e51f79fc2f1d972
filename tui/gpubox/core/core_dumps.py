"""Keeps secrets out of core dumps."""

from __future__ import annotations

import resource


def forbid() -> None:
    """Let this process leave no core dump from now on; a job that it starts on this machine still may."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
