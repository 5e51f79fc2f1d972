"""Asking a box what listens on it: one command that ends by itself, by Python or by sh alone."""

from __future__ import annotations

from gpubox.agent import bundle, program_cache
from gpubox.agent.call import Wording, call, run
from gpubox.boxes.services import shell_facts
from gpubox.boxes.services.facts import ServiceFacts
from gpubox.core.errors import RemoteError
from gpubox.core.shell import Shell

_WORDING = Wording(
    "Services cannot be listed", "a list of listeners", "Open a port by its number", secret=True
)


async def ask(shell: Shell, python: str = "") -> ServiceFacts:
    """Return what listens on a box. It takes 50 ms there, and opens no connection to anything.

    Raises RemoteError when the box gives no answer that can be read, Dropped when the link ends, and
    ConfigError for a `python` that cannot be named.
    """
    try:
        program = bundle.program("services", "gpubox.remote.services")
        facts = await call(shell, program, None, ServiceFacts, _WORDING, python=python)
    except program_cache.NoPython:
        program = bundle.program("services", "services.sh", interpreter="sh")
        result = await run(shell, program, wording=_WORDING)
        facts = shell_facts.read(result.stdout)
        if facts is None:
            raise _WORDING.silent(result) from None
    if not facts.proc:
        raise RemoteError(
            "Services cannot be listed",
            "The box has no /proc/net/tcp, where Linux tells what listens",
            "Open a port by its number",
        )
    return facts
