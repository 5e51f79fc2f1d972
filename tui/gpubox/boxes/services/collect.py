"""Asking a box what listens on it: one command that ends by itself, by Python or by sh alone."""

from __future__ import annotations

import msgspec

from gpubox.agent import program_cache
from gpubox.boxes.services import shell_facts
from gpubox.boxes.services.facts import ServiceFacts
from gpubox.core.bounds import UNREADABLE
from gpubox.core.errors import RemoteError
from gpubox.core.sanitize import clean_bytes
from gpubox.core.shell import CommandResult, Shell

_DECODER = msgspec.json.Decoder(ServiceFacts)


async def ask(shell: Shell, python: str = "") -> ServiceFacts:
    """Return what listens on a box. It takes 50 ms there, and opens no connection to anything.

    Raises RemoteError when the box gives no answer that can be read, Dropped when the link ends, and
    ConfigError for a `python` that cannot be named.
    """
    try:
        result = await program_cache.run(
            shell, program_cache.program("services", "services.py"), python=python
        )
        facts = _read(result)
    except program_cache.NoPython:
        result = await program_cache.run(
            shell, program_cache.program("services", "services.sh", interpreter="sh")
        )
        facts = shell_facts.read(result.stdout)
    if facts is None:
        raise _no_answer(result)
    if not facts.proc:
        raise RemoteError(
            "Services cannot be listed",
            "The box has no /proc/net/tcp, where Linux tells what listens",
            "Open a port by its number",
        )
    return facts


def _read(result: CommandResult) -> ServiceFacts | None:
    if not result.stdout.strip():
        return None
    try:
        return _DECODER.decode(result.stdout)
    except UNREADABLE:
        # `from None`: the answer may hold tokens, and no traceback shall come near it.
        raise RemoteError(
            "Services cannot be read", "The box answered what is no list of listeners"
        ) from None


def _no_answer(result: CommandResult) -> RemoteError:
    said = clean_bytes(result.stderr.strip().rpartition(b"\n")[2], 200) or "it gave no answer"
    return RemoteError(
        "No list of services",
        f"The box did not say what listens on it: {said}",
        "Open a port by its number",
        status=result.status,
    )
