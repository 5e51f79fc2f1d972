"""Asking a box what listens on it: one command that ends by itself, by Python or by sh alone."""

from __future__ import annotations

import msgspec

from gpubox.boxes import kept
from gpubox.boxes.services import plain
from gpubox.boxes.services.facts import Facts
from gpubox.core.bounds import UNREADABLE
from gpubox.core.errors import RemoteError
from gpubox.core.shell import Result, Shell
from gpubox.core.text import clean_bytes

_DECODER = msgspec.json.Decoder(Facts)


async def ask(shell: Shell, python: str = "") -> Facts:
    """Return what listens on a box. It takes 50 ms there, and opens no connection to anything.

    Raises RemoteError when the box gives no answer that can be read, Dropped when the link ends, and
    ConfigError for a `python` that cannot be named.
    """
    try:
        result = await kept.run(shell, kept.program("services", "services.py"), python=python)
        facts = _read(result)
    except kept.NoPython:
        result = await kept.run(shell, kept.program("services", "services.sh", interpreter="sh"))
        facts = plain.read(result.stdout)
    if facts is None:
        raise _no_answer(result)
    if not facts.proc:
        raise RemoteError(
            "Services cannot be listed",
            "The box has no /proc/net/tcp, where Linux tells what listens",
            "Open a port by its number",
        )
    return facts


def _read(result: Result) -> Facts | None:
    if not result.stdout.strip():
        return None
    try:
        return _DECODER.decode(result.stdout)
    except UNREADABLE:
        # `from None`: the answer may hold tokens, and no traceback shall come near it.
        raise RemoteError(
            "Services cannot be read", "The box answered what is no list of listeners"
        ) from None


def _no_answer(result: Result) -> RemoteError:
    said = clean_bytes(result.stderr.strip().rpartition(b"\n")[2], 200) or "it gave no answer"
    return RemoteError(
        "No list of services",
        f"The box did not say what listens on it: {said}",
        "Open a port by its number",
        status=result.status,
    )
