"""Names the limit of an account that is too low for a program: the shell's own message says little."""

from __future__ import annotations

import re

from gpubox.core.errors import Dropped, ProbeError, RemoteError
from gpubox.core.shell import Shell

_READ = "exec cat /proc/self/limits"
"""Needs a single process and a single file."""
_LINE = re.compile(rb"^Max (processes|open files) +(\d+) ", re.MULTILINE)

_FEW_FILES, _FEW_PROCESSES = 64, 64
"""Limits at which a login shell and a Python may not start; usual are 1024 and thousands."""

_FILES = re.compile(r"Too many open files|Err(?:no|or):? 24\b")
_PROCESSES = re.compile(r"[Cc]annot fork|fork: |Resource temporarily unavailable|can't start new thread")
"""Messages of shells, the C library and Python about a reached limit."""


async def explained(error: ProbeError, shell: Shell) -> ProbeError:
    """Return the error of a probe that did not run, with the limit that may be the cause.

    Raises Dropped when the link ends meanwhile.
    """
    files, processes = _FILES.search(error.text), _PROCESSES.search(error.text)
    limits: dict[bytes, int] = {}
    if files or processes or error.status is None:
        limits = await _limits(shell)
    few = limits.get(b"open files", _FEW_FILES + 1)
    if files or few <= _FEW_FILES:
        return _low(error, "open files", "ulimit -n", limits.get(b"open files"))
    few = limits.get(b"processes", _FEW_PROCESSES + 1)
    if processes or few <= _FEW_PROCESSES:
        return _low(error, "processes", "ulimit -u", limits.get(b"processes"))
    return error


def _low(error: ProbeError, what: str, command: str, limit: int | None) -> ProbeError:
    number = "" if limit is None else f": {limit}"
    return ProbeError(
        error.title,
        f"{error.text}. This account may have too few {what} there ({command}{number})",
        f"Raise `{command}` on the box: its rc files and /etc/security/limits.conf set it",
        status=error.status,
    )


async def _limits(shell: Shell) -> dict[bytes, int]:
    try:
        said = (await shell.run(_READ, timeout=5.0)).stdout
    except Dropped:
        raise
    except RemoteError:
        return {}  # a box that runs nothing at all, or not Linux
    return {name: int(number) for name, number in _LINE.findall(said)}
