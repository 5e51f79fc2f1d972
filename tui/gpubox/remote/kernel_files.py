"""Reads files of the kernel and the system without blocking."""

from __future__ import annotations

import os
import re


def read(path: str, limit: int = 1 << 20) -> bytes:
    """Return the beginning of a file; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, limit)
    finally:
        os.close(handle)


def read_all(path: str, limit: int = 1 << 20) -> bytes:
    """Return a whole file, although a read in /proc returns at most a page; never waits for a pipe.

    Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return rest(handle, limit)
    finally:
        os.close(handle)


def rest(handle: int, limit: int) -> bytes:
    """Return what is left of an open file, at most so many bytes; raises OSError."""
    data = b""
    while len(data) < limit:
        block = os.read(handle, limit - len(data))
        if not block:
            break
        data += block
    return data


def contents(path: str, limit: int = 1 << 16) -> bytes:
    """Return a file as `read_all` does, or nothing when it cannot be read, or its path has a null byte."""
    try:
        return read_all(path, limit)
    except (OSError, ValueError):
        return b""


def read_text(path: str, limit: int = 1 << 16) -> str:
    """Return a file as text, or nothing when it cannot be read."""
    return contents(path, limit).decode("utf-8", "replace").strip("\0\n ")


def listing(path: str) -> list[str]:
    """Return the names in a folder, or none."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def rooted(path: str) -> str:
    """Return the path below GPUBOX_ROOT."""
    return os.environ.get("GPUBOX_ROOT", "") + path


def cpu_model() -> str:
    """Return the name of the processor."""
    text = read_text("/proc/cpuinfo", 8192)
    found = re.search(r"^(?:model name|Model|Hardware|cpu model)\s*:\s*(.+)$", text, re.M)
    name = found.group(1) if found else read_text("/proc/device-tree/model", 256)
    return re.sub(r"\s+", " ", name).strip()
