"""What is run on a box for its desktops: a script that it keeps, and lines as its answer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from gpubox.agent import bundle
from gpubox.agent.call import Wording, run
from gpubox.core.sanitize import as_bytes
from gpubox.core.shell import Shell

_WORDING = Wording("No desktops", "what the script for desktops writes")
SEPARATOR = "\x1f"
"""Between the parts of a line that may hold spaces: no program takes it in a name."""


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One line of an answer."""

    word: str
    """What it tells of."""
    rest: str
    """The rest, with the box's own characters: clean it before it is drawn."""


def request(act: str, values: Mapping[str, str]) -> bytes:
    """Return what the script wants on its stdin: an act and what it needs; values may hold all but a NUL."""
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in {"act": act, **values}.items())
    return as_bytes("".join(lines))


async def ask(
    shell: Shell, act: str, *, values: Mapping[str, str] | None = None, **more: str
) -> list[ScriptLine]:
    """Run an act on the box and return the lines of its answer.

    Raises RemoteError when there is none: no `sh`, a login shell that refuses; Dropped when the link ends.
    """
    script = bundle.program("desktop", "desktop.sh", interpreter="sh")
    result = await run(shell, script, wording=_WORDING, stdin=request(act, {**(values or {}), **more}))
    return [
        ScriptLine(word.decode("ascii", "replace"), rest.decode("utf-8", "replace"))
        for text in result.stdout.split(b"\n")
        if text
        for word, _, rest in (text.partition(b" "),)
    ]
