"""One line of the user's crontab, which starts the service at boot; all other lines stay, byte for byte."""

from __future__ import annotations

import os
import shlex
import subprocess

from gpubox.remote.checks import commands, running
from gpubox.remote.json_io import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

MARK = b"# gpubox-tui monitoring"
"""The end of our line; to the shell that runs it, it is a comment."""
SECONDS = 10.0
"""Limit of the program crontab."""
DAEMONS = ("cron", "crond", "fcron", "dcron", "bcron", "busybox-cron")


def usable() -> bool:
    """Return whether this user may have a crontab."""
    return read() is not None


def has_daemon() -> bool:
    """Return whether a cron runs that would start the line."""
    return bool(running.named(*DAEMONS))


def read() -> Optional[bytes]:
    """Return the crontab of the user, empty if there is none; None where there can be none."""
    done = _crontab("-l")
    if done is None:
        return None
    if done.returncode == 0:
        return done.stdout
    return b"" if b"no crontab" in done.stderr.lower() else None


def line(command: List[str]) -> bytes:
    """Return our line. To cron a percent sign is a newline, unless a backslash is before it."""
    words = " ".join(map(shlex.quote, command))
    return b"@reboot %s >/dev/null 2>&1 %s\n" % (os.fsencode(words).replace(b"%", b"\\%"), MARK)


def write(command: List[str]) -> None:
    """Put our line into the crontab, in place of an older one; raises Refused."""
    before = read()
    if before is None:
        raise Refused("There is no crontab", "The program crontab refuses, or is not there")
    rest = without(before)
    if rest and not rest.endswith(b"\n"):
        rest += b"\n"
    _replace(before, rest + line(command))


def remove() -> None:
    """Take our line out of the crontab; one that is empty then is removed. Raises Refused."""
    before = read()
    if before is not None:
        _replace(before, without(before))


def without(table: bytes) -> bytes:
    """Return a crontab without our line."""
    return b"".join(one for one in table.splitlines(True) if not one.rstrip(b"\n").endswith(MARK))


def _replace(before: bytes, after: bytes) -> None:
    if after == before:
        return
    done = _crontab("-", stdin=after) if after else _crontab("-r")
    if done is None or done.returncode != 0:
        said = (done.stderr if done is not None else b"it did not answer").decode("utf-8", "replace")
        raise Refused("The crontab cannot be changed", said.strip()[:200])


def _crontab(word: str, stdin: bytes = b"") -> Optional[subprocess.CompletedProcess[bytes]]:
    program = commands.which("crontab")
    if not program:
        return None
    try:
        return subprocess.run(
            [program, word],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=commands.environment(),
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
