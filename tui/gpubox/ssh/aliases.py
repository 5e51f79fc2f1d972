"""The names in ~/.ssh/config, for the list of boxes to pick from."""

from __future__ import annotations

import shlex
from pathlib import Path

from gpubox.ssh.dump import home, path

_DEEPEST = 16
"""OpenSSH stops including here too."""


def aliases(config_file: Path | None = None) -> list[str]:
    """Return the concrete Host names of a configuration and of what it includes, in order, each once.

    Patterns and negations are left out: nobody can log in to `*`. A file that cannot be read gives nothing.
    """
    found: dict[str, None] = {}
    _collect(config_file or home() / ".ssh/config", found, 0)
    return list(found)


def _collect(file: Path, found: dict[str, None], depth: int) -> None:
    try:
        text = file.read_text("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        keyword, values = _words(line)
        if keyword == "host":
            found.update(dict.fromkeys(name for name in values if not set(name) & set("*?!")))
        elif keyword == "include" and depth < _DEEPEST:
            for pattern in values:
                for included in _matches(pattern):
                    _collect(included, found, depth + 1)


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
