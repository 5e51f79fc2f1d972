"""Host aliases in ~/.ssh/config, for the list of boxes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from gpubox.ssh.openssh_config import home, path

_DEEPEST = 16
"""The depth at which OpenSSH stops including, too."""


def aliases(config_file: Path | None = None) -> list[str]:
    """Return the concrete Host names of a configuration and its includes, in order, without duplicates.

    Patterns and negations are left out: nobody can log in to `*`. A file that cannot be read gives nothing.
    """
    names = (name for keyword, values in written(config_file) if keyword == "host" for name in values)
    return list(dict.fromkeys(name for name in names if not set(name) & set("*?!")))


def written(config_file: Path | None = None, depth: int = 0) -> Iterator[tuple[str, list[str]]]:
    """Yield each keyword of a configuration and its includes, in lower case, with its values."""
    try:
        text = (config_file or home() / ".ssh/config").read_text("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        keyword, values = _words(line)
        if keyword == "include" and depth < _DEEPEST:
            for pattern in values:
                for included in _matches(pattern):
                    yield from written(included, depth + 1)
        elif keyword:
            yield keyword, values


def _words(line: str) -> tuple[str, list[str]]:
    line = line.strip()
    if not line or line.startswith("#"):
        return "", []
    # `Host=name` and `Host = name` are allowed.
    keyword, _, rest = line.replace("=", " ", 1).partition(" ") if "=" in line else line.partition(" ")
    if "\t" in keyword:
        keyword, _, more = keyword.partition("\t")
        rest = f"{more} {rest}"
    try:
        return keyword.lower(), shlex.split(rest, comments=True)
    except ValueError:
        return keyword.lower(), rest.split()


def _matches(pattern: str) -> list[Path]:
    target = path(pattern)
    if not target.is_absolute():
        target = home() / ".ssh" / target
    anchor = Path(target.anchor)
    return sorted(anchor.glob(str(target.relative_to(anchor))))
