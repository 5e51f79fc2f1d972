"""Runs a command of the user's own after an event, with facts in its environment and a text on its stdin."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from contextlib import suppress

PATIENCE = 30.0
"""Seconds for the command."""
_WAITS = '/bin/sh -c "$0"; exit $?'
"""A shell that waits for the command: if this program ends, only the shell is killed, and the command
continues."""


async def run(
    command: str,
    facts: Mapping[str, str],
    log: logging.Logger,
    about: tuple[str, str],
    *,
    text: bytes | None = None,
    patience: float = PATIENCE,
) -> None:
    """Run a command of the settings; its failure is logged.

    It is killed after `patience` seconds. It outlives this program, so that a user who quits right after the
    event is still notified.

    Args:
        command: the line for /bin/sh.
        facts: variables of its environment.
        log: where a failure is logged.
        about: the setting that has the command, and what happened, for the log.
        text: what it reads on stdin; without it stdin is empty.
        patience: seconds for it.
    """
    setting, event = about
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            _WAITS,
            command,
            env={**os.environ, **facts},
            stdin=asyncio.subprocess.DEVNULL if text is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        # For example, no free process, a zero byte, or a locale without its letters.
        log.warning("%s could not be started for %s: %s", setting, event, error)
        return
    try:
        async with asyncio.timeout(patience):
            if process.stdin is not None:  # it fits into the pipe: a reader that is slow keeps nobody
                process.stdin.write(text or b"")
                with suppress(BrokenPipeError, ConnectionResetError):  # it does not read
                    await process.stdin.drain()
                process.stdin.close()
            status = await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only a zombie is left
            os.killpg(process.pid, signal.SIGKILL)
        status = await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if status:
        log.warning("%s ended with status %s for %s", setting, status, event)
