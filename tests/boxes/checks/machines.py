"""Machines for judges of the operating system."""

from __future__ import annotations

from typing import Any

from gpubox.boxes.checks.system.facts import FileSystem, SystemFacts

G = 1 << 30
T = 1 << 40
NOW = 1_790_000_000.0
HOSTILE = "[bold]\x1b[31m\u202e" + "x" * 500
"""A name that a hostile box may send."""


def system(kernel: str = "6.8.0-50-generic", **more: Any) -> SystemFacts:
    """A machine with systemd about which nothing else is known."""
    known: dict[str, Any] = {"systemd": True, "user": "ann"}
    return SystemFacts(NOW, kernel, **{**known, **more})


def disk(path: str, size: int, free: int, **more: Any) -> FileSystem:
    """A file system that answered."""
    known: dict[str, Any] = {"inodes": 1000, "free_inodes": 900, "answered": True}
    return FileSystem(path, size, free, **{**known, **more})
