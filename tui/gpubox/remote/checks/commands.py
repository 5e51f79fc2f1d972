"""Runs the box's own commands for the checks: bounded in time and output, in English, and ended with us."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from typing import Dict, List, NamedTuple, Optional, Set

from gpubox.remote.checks import login_user

SECONDS = 2.5
"""Default limit of a command, less than the 3 s that a section has."""
QUICK = 1.0
"""Limit of a command that reads a file or asks a daemon that runs: two in a row fit into a section."""
ACTIVATING = 1.5
"""Limit of a command that waits for a start: of Python, or by D-Bus of the daemon that it asks."""
LONG = 1.8
"""Limit of a command that reads a whole configuration or database; it leaves a second of the section."""
OUTPUT = 1 << 20
"""Most bytes of output that are read of a command."""
FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
"""Searched after PATH: a login's PATH often lacks the folders of system programs."""


class Done(NamedTuple):
    """What a command came to."""

    status: int
    """Its exit status; negative for a signal."""
    out: str
    err: str


_running: Set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


def path() -> str:
    """Return PATH, with the folders of system programs; behind sudo only those, which no user can write."""
    own = [] if login_user.uid() != os.getuid() else [os.environ.get("PATH", "")]
    return os.pathsep.join([*own, *FOLDERS])


def which(program: str) -> str:
    """Return where a program is, or ""."""
    return shutil.which(program, path=path()) or ""


def environment() -> Dict[str, str]:
    """Return the environment of commands: messages in English, times in UTC."""
    return {**os.environ, "LC_ALL": "C", "LANGUAGE": "", "TZ": "UTC", "PATH": path(), "SYSTEMD_PAGER": ""}


def run(*argv: str, seconds: float = SECONDS) -> Optional[Done]:
    """Run a command without stdin, and return what came of it.

    None without such a program, or when it did not end in time; then its process group is killed.
    """
    program = which(argv[0])
    if not program:
        return None
    try:
        child = subprocess.Popen(
            [program, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )
    except OSError:
        return None
    with _lock:
        _running.add(child)
    timer = threading.Timer(seconds, end, (child,))
    timer.daemon = True
    began = time.monotonic()
    timer.start()
    try:
        out, err = child.communicate()
    finally:
        timer.cancel()
        with _lock:
            _running.discard(child)
    if child.returncode == -signal.SIGKILL and time.monotonic() - began >= seconds:
        return None
    return Done(child.returncode, text(out), text(err))


def output(*argv: str, seconds: float = SECONDS) -> str:
    """Return the stdout of a command that succeeded, else ""."""
    done = run(*argv, seconds=seconds)
    return done.out if done is not None and done.status == 0 else ""


def lines(*argv: str, seconds: float = SECONDS) -> List[str]:
    """Return the lines of stdout of a command that succeeded, else none."""
    return output(*argv, seconds=seconds).splitlines()


def text(data: bytes) -> str:
    """Return output as text; a byte that is not UTF-8 becomes U+FFFD."""
    return data[:OUTPUT].decode("utf-8", "replace")


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill a command and what it started."""
    if child.poll() is None:
        with contextlib.suppress(OSError):
            os.killpg(child.pid, signal.SIGKILL)


def end_all() -> None:
    """Kill every command that still runs."""
    with _lock:
        running = list(_running)
    for child in running:
        end(child)


def has_systemd() -> bool:
    """Return whether systemd runs this machine; `systemctl` exists where it does not."""
    return os.path.isdir("/run/systemd/system")
