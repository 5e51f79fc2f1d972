"""What is run on a box for its desktops: one script over stdin, and lines behind a mark as its answer."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from secrets import token_hex

from gpubox.core.errors import RemoteError
from gpubox.core.shell import Shell
from gpubox.core.text import clean_bytes

SEPARATOR = "\x1f"
"""Between the parts of a line that may hold spaces: no program takes it in a name."""
_COMMAND = """exec sh -c 's=$(cat); eval "$s"' gpubox-desktop"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an answer."""

    word: str
    """What it tells of."""
    rest: str
    """The rest, with the box's own characters: clean it before it is drawn."""


@cache
def _body() -> str:
    return resources.files("gpubox.remote").joinpath("desktop.sh").read_text("utf-8")


def source(mark: str, act: str, values: Mapping[str, str]) -> bytes:
    """Return the script with what an act needs before it; values may hold anything but a NUL."""
    head = {"mark": mark, "act": act, **values}
    return ("".join(f"{name}={shlex.quote(value)}\n" for name, value in head.items()) + _body()).encode()


async def ask(shell: Shell, act: str, *, values: Mapping[str, str] | None = None, **more: str) -> list[Line]:
    """Run an act on the box and return the lines of its answer.

    Raises RemoteError when there is none: no `sh`, a login shell that refuses; Dropped when the link ends.
    """
    mark = f"gpubox-{token_hex(6)}"
    result = await shell.run(_COMMAND, stdin=source(mark, act, {**(values or {}), **more}))
    lines = [
        Line(word.decode("ascii", "replace"), rest.decode("utf-8", "replace"))
        for text in result.stdout.splitlines()
        if text.startswith(mark.encode() + b" ")
        for word, _, rest in (text[len(mark) + 1 :].partition(b" "),)
    ]
    if not lines and not result.ok:
        said = clean_bytes(result.stderr.strip().rpartition(b"\n")[2], 200) or "it gave no answer"
        raise RemoteError("No desktops", f"The box did not look for desktops: {said}", status=result.status)
    return lines
