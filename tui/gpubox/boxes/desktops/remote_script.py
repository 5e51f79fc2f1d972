"""Runs the desktop script on a box, and parses its answer."""

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
    """The kind of line."""
    rest: str
    """The rest, with the box's own characters: clean it before it is drawn."""


def request(act: str, values: Mapping[str, str]) -> bytes:
    """Return the stdin of the script: an action and its values, which may hold anything but a NUL."""
    lines = (f"{name}={shlex.quote(value)}\n" for name, value in {"act": act, **values}.items())
    return as_bytes("".join(lines))


async def ask(
    shell: Shell, act: str, *, values: Mapping[str, str] | None = None, **more: str
) -> list[ScriptLine]:
    """Run an action on the box and return the lines of its answer.

    Raises RemoteError when there is no answer: no `sh`, a login shell that refuses commands; and Dropped.
    """
    script = bundle.program("desktop", "desktop.sh", interpreter="sh")
    result = await run(shell, script, wording=_WORDING, stdin=request(act, {**(values or {}), **more}))
    return [
        ScriptLine(word.decode("ascii", "replace"), rest.decode("utf-8", "replace"))
        for text in result.stdout.split(b"\n")
        if text
        for word, _, rest in (text.partition(b" "),)
    ]
