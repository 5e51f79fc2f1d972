"""The processes below a process."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_READS = 10
"""Most readings of a list that goes on changing."""


def children(pid: int) -> list[int]:
    """Return the processes that a process started, or adopted; each is listed with one of its threads.

    The kernel may skip one while another one ends (proc(5)), so that it is read until it stays the same.
    """
    found = _read(pid)
    for _ in range(_READS):
        before, found = found, _read(pid)
        if found == before:
            break
    return found


def _read(pid: int) -> list[int]:
    with suppress(OSError):
        files = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(text) for file in files for text in file.read_text().split()]
    return []


def descendants(pid: int) -> list[int]:
    """Return the processes below a process, each before what it started."""
    return [found for child in children(pid) for found in (child, *descendants(child))]
