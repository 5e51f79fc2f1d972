"""Matches a process to a kind of service, by its program, command line and port."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gpubox.boxes.services.kinds import KINDS, ServiceKind

_INTERPRETER = re.compile(r"(python|pypy)[\d.]*|node|nodejs|ruby|perl|deno|bun|sh|bash|dash")
_TAKES_WORD = ("-W", "-X", "--require", "-r", "--loader")
"""Options of interpreters that take an argument."""


def names_of(name: str, words: Sequence[str]) -> set[str]:
    """Return the names of a process: its program, and the script or module that it interprets."""
    found = {name} if name else set[str]()
    if not words:
        return found
    program = program_of(words)
    found.add(program)
    if _INTERPRETER.fullmatch(program):
        found |= _interpreted(words[1:])
    return found


def program_of(words: Sequence[str]) -> str:
    """Return the program of a command line, also of a process title such as `nginx: master process`."""
    return words[0].split(" ")[0].rstrip(":").rpartition("/")[2] if words else ""


def _interpreted(words: Sequence[str]) -> set[str]:
    """Return the names of the script or module that an interpreter runs."""
    rest = iter(words)
    for word in rest:
        if word == "-m":
            module = next(rest, "")
            return {module, module.partition(".")[0]} if module != "http.server" else {module}
        if word == "-c":
            return set()
        if word in _TAKES_WORD:
            next(rest, "")
        elif not word.startswith("-"):
            return {word.rpartition("/")[2]}
    return set()


def kind_of(port: int, names: set[str], line: str) -> ServiceKind | None:
    """Return the kind of a listener, by the names and the command line of its process."""
    for kind in KINDS:
        if kind.bound and port not in kind.ports:
            continue
        if kind.program and any(re.fullmatch(kind.program, name) for name in names):
            return kind
        if kind.line and re.search(kind.line, line):
            return kind
    return None


def kind_by_port(port: int, user: str, names: set[str]) -> ServiceKind | None:
    """Return the kind of a socket whose process is hidden: by its usual port, and what could be there."""
    for kind in KINDS:
        if kind.bound or port not in kind.ports:
            continue
        could = any(re.fullmatch(kind.program, name) for name in names) if kind.program else False
        if could or user == kind.id or (port < 1024 and kind.system):
            return kind
    return None


def option(words: Sequence[str], names: Sequence[str]) -> str:
    """Return the value of the first of some options, as `--name word` or `--name=word`."""
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in names:
            return value if equals else (words[place + 1] if place + 1 < len(words) else "")
    return ""
