"""The service that runs, seen from another process: its identity, and how it is started and ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time

from gpubox.remote import inherited, process_tree
from gpubox.remote.jobs import gpu_queue
from gpubox.remote.kernel_files import contents
from gpubox.remote.monitor import folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

    Row = Dict[str, Any]

ENDING = 5.0
"""Seconds that a service which was asked to end has for it; outlets have one each."""
STARTING = 20.0
"""Seconds until a service that was started holds its lock."""
FIRST = 10.0
"""Seconds that an answer waits for the first frame of a service that was just started."""


def identity() -> Optional[Row]:
    """Return the identity of the process that is the service, or None when none runs."""
    path = folder.path(folder.LOCK)
    for _ in range(20):
        if not os.path.exists(path) or _is_free(path):
            return None
        with contextlib.suppress(ValueError):
            found = json.loads(contents(path, 4096).decode("utf-8", "replace"))
            if isinstance(found, dict) and process_tree.alive(found):
                return found
        time.sleep(0.05)  # it has the lock, and writes who it is
    return None


def _is_free(path: str) -> bool:
    try:
        handle = gpu_queue.lock(path, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    if handle is None:
        return False
    os.close(handle)
    return True


def start(command: List[str]) -> None:
    """Start the service away from this login: a session of its own, no terminal, no pipe of sshd."""
    environment = {name: value for name, value in inherited.variables().items() if name not in inherited.LINK}
    subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,
    )


def started() -> bool:
    """Return whether a service that was just started runs, waiting for it, and for its first frame."""
    if not _until(lambda: identity() is not None, STARTING):
        return False
    process = identity()
    _until(lambda: identity() != process or (_noted() or {}).get("process") == process, FIRST)
    return identity() is not None


def _noted() -> Optional[Row]:
    with contextlib.suppress(ValueError):
        found = json.loads(contents(folder.path(folder.STATUS), 1 << 20).decode("utf-8", "replace"))
        return found if isinstance(found, dict) else None
    return None


def stop() -> bool:
    """End the service, if one runs; return whether none runs now."""
    process = identity()
    if process is None:
        return True
    process_tree.send(process["pid"], signal.SIGTERM)
    process_tree.send(process["pid"], signal.SIGCONT)
    if not _until(lambda: not process_tree.alive(process), ENDING):
        process_tree.send(process["pid"], signal.SIGKILL)
    return _until(lambda: not process_tree.alive(process), ENDING)


def reload() -> None:
    """Let the service read its configuration again, if one runs, and wait for its next frame."""
    process = identity()
    if process is not None:
        before = (_noted() or {}).get("frames")
        process_tree.send(process["pid"], signal.SIGHUP)
        _until(lambda: (_noted() or {}).get("frames") != before or identity() != process, FIRST)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
