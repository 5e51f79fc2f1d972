"""Runs other programs: bounded in time, without stdin, and without waiting for services that they start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile

from gpubox.remote.checks import commands

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 3 ms
    from typing import List, Tuple

OUTPUT = 1 << 20
"""Most bytes of output that are read."""
MISSING = 127
"""The status of a program that does not exist, as shells have it."""


def run(argv: List[str], limit: float) -> Tuple[int, str, str]:
    """Run a program for `limit` seconds at most; return its exit status, stdout and stderr.

    Output goes to files: a service that a command starts would keep a pipe open.
    """
    program = commands.which(argv[0])
    if not program:
        return MISSING, "", "%s is not installed here" % argv[0]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            child = subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env=commands.environment(),
                start_new_session=True,
            )
        except OSError as error:
            return MISSING, "", "%s: %s" % (program, error.strerror)
        try:
            status = child.wait(max(0.05, limit))
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return -signal.SIGKILL, "", "it took more than %.0f seconds" % limit
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(commands.text(file.read(OUTPUT)))
        return status, texts[0], texts[1]


def endure(*numbers: int) -> None:
    """Go on when these signals come; the programs that are run would inherit SIG_IGN."""
    for number in numbers:
        signal.signal(number, _go_on)


def _go_on(*_: object) -> None:
    pass


def last_line(*texts: str) -> str:
    """Return the last line of the first text that has one."""
    for text in texts:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if lines:
            return lines[-1][:300]
    return "it said nothing"
