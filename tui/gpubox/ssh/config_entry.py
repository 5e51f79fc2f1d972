"""An entry for a box in the user's ssh configuration: its text, whether there is one, and adding it."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from gpubox.core import new_file
from gpubox.core.channels import LoginAddress
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean
from gpubox.ssh import openssh_config

_ALIAS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""Names that are an alias as they stand; others are `user@host:port`."""


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """An entry that is not in the configuration yet."""

    file: Path
    """The configuration that it is for."""
    text: str
    """Its lines."""


def entry(name: str, address: LoginAddress, identity: Path) -> ConfigEntry | None:
    """Return an entry by which `ssh NAME` logs in to a box by a key.

    None when the configuration has one for that name, or knows the only way there: a ProxyCommand.
    """
    alias = name if _ALIAS.fullmatch(name) else address.host
    file = address.config_file or openssh_config.home() / ".ssh" / "config"
    if address.command or described(file, alias):
        return None
    lines = {
        "HostName": address.host,
        "User": address.user,
        "Port": str(address.port),
        "ProxyJump": address.jump,
        "IdentityFile": _path(identity),
    }
    values = [f"    {keyword} {value}" for keyword, value in lines.items() if value]
    if re.search(r"[\x00-\x1f\x7f]", "".join((alias, *values))):
        return None
    return ConfigEntry(file, "\n".join((f"Host {alias}", *values)) + "\n")


def described(file: Path, alias: str) -> bool:
    """Return whether a configuration or its includes have an entry for a host; `Host *` is none."""
    return any(
        keyword == "host" and any(pattern != "*" and fnmatchcase(alias, pattern) for pattern in patterns)
        for keyword, patterns in openssh_config.config_lines(file)
    )


def add(new: ConfigEntry) -> None:
    """Add an entry at the end of a configuration; what is there stays byte for byte, and so does its mode.

    Raises ConfigError when it cannot be written.
    """
    try:
        file = Path(os.path.realpath(new.file))
        if not file.parent.is_dir():
            file.parent.mkdir(mode=0o700, parents=True)
        before = _read(file)
        mode = 0o600 if before is None else stat.S_IMODE(file.stat().st_mode)
        _replace(file, with_entry(before or b"", new.text), mode, before)
    except OSError as error:
        raise ConfigError(
            "The entry was not added",
            f"{clean(str(new.file), 200)}: {clean(error.strerror or str(error), 200)}",
            "Add it by hand",
        ) from None


def with_entry(before: bytes, text: str) -> bytes:
    """Return a configuration with an entry at its end, after an empty line."""
    if not before:
        return text.encode()
    gap = b"" if before.endswith(b"\n\n") else b"\n" if before.endswith(b"\n") else b"\n\n"
    return before + gap + text.encode()


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None


def _replace(file: Path, data: bytes, mode: int, before: bytes | None) -> None:
    temporary = new_file.temporary(file)
    new_file.make(temporary, data, mode)
    try:
        if _read(file) != before:
            raise OSError(0, "it was changed meanwhile")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _path(file: Path) -> str:
    """Return a file as IdentityFile says it: below `~` where it is there, with percent signs doubled."""
    home = openssh_config.home()
    text = f"~/{file.relative_to(home)}" if file.is_relative_to(home) else str(file)
    text = text.replace("%", "%%")
    return f'"{text}"' if re.search(r"\s", text) else text
