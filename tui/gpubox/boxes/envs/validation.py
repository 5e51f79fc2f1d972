"""Validates the names, packages and files of requests about environments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from gpubox.core.env import Kind
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean

_NAME = re.compile(r"[^\W_][\w.+@-]*")
_RESERVED = frozenset({"base", "root"})
_LONGEST = 100
_LARGEST = 1 << 20
"""Longest environment file in characters: it is part of the job's record."""
_PYTHON = re.compile(r"python(?:\s*={1,2}\s*|(?=3))(\d+(?:\.\d+){0,2})(?:\.\*)?")


def valid_name(name: str, kind: Kind = "conda") -> str:
    """Return a valid name of an environment; raises ConfigError for one that tools or shells misread."""
    said = clean(name, 40)
    if not name:
        raise ConfigError("No name", "Write a name for the environment")
    if len(name) > _LONGEST:
        raise ConfigError("Not a name", f"It has more than {_LONGEST} characters")
    if kind in ("venv", "uv") and name in (".venv", ".env"):
        return name
    if kind == "conda" and name in _RESERVED:
        raise ConfigError(
            "Not a name", f"{said} is conda's own name for its installation", "Take another one"
        )
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "Not a name",
            f"{said}: a name begins with a letter or digit and has letters, digits and . _ - + @ only",
        )
    return name


def valid_packages(packages: Sequence[str]) -> tuple[str, ...]:
    """Return valid packages; raises ConfigError for one that a tool would take for an option."""
    for package in packages:
        if not package.strip() or package != package.strip():
            raise ConfigError(
                "Not a package", f"{clean(package, 40)!r}: write its name without spaces around"
            )
        if package.startswith("-"):
            raise ConfigError("Not a package", f"{clean(package, 40)} would be read as an option")
        if any(ord(character) < 32 or character == "\x7f" for character in package) or "{" in package:
            raise ConfigError("Not a package", f"{clean(package, 40)} holds signs that no package has")
    return tuple(packages)


def split_packages(text: str) -> tuple[str, ...]:
    """Split typed packages as a shell would; raises ConfigError."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise ConfigError("Not a package", f"{clean(text, 60)}: a quote is not closed") from None


def valid_folder(folder: str) -> str:
    """Return a folder of the box, absolute or below its home; raises ConfigError."""
    if not folder.startswith(("/", "~/")) and folder != "~":
        raise ConfigError(
            "Not a folder", f"{clean(folder, 60)}: write a full path, or one that begins with ~/"
        )
    if "\0" in folder or ":" in folder or "{" in folder:
        raise ConfigError("Not a folder", f"{clean(folder, 60)} cannot stand in PATH")
    return folder.rstrip("/") or "/"


def valid_text(text: str) -> str:
    """Return the text of a file that an environment is made from; raises ConfigError."""
    if not text.strip():
        raise ConfigError("Nothing in it", "The file that the environment shall be made from is empty")
    if len(text) > _LARGEST:
        raise ConfigError("Too large", "The file that the environment shall be made from is over 1 MB")
    return text


def split_python(packages: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Split off the requested Python version, such as `3.11`, from the other packages.

    Tools other than conda take their Python from the box, not from an index.
    """
    version, rest = "", list[str]()
    for package in packages:
        found = _PYTHON.fullmatch(package)
        if found:
            version = found[1]
        elif package != "python":
            rest.append(package)
    return version, tuple(rest)


def harmless(text: str) -> str:
    """Percent-encode any text as a word that is inert to shells; raises ConfigError for zero bytes."""
    if "\0" in text:
        raise ConfigError("Not a command", "It holds a zero byte")
    return quote(text, safe="/").replace("~", "%7E")
