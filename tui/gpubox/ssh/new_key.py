"""Keys of this machine: reads one, makes one, and writes it without ever replacing a file."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from gpubox.core import new_file
from gpubox.core.errors import ConfigError
from gpubox.core.sanitize import clean
from gpubox.ssh import openssh_config
from gpubox.ssh.keys import LOCKED, public_part

_ROUNDS = 64
"""Rounds of bcrypt for a passphrase: half a second for each guess; OpenSSH takes 24."""
_LARGEST = 64 << 10
"""Most bytes of a key file."""


class KeyLocked(ConfigError):
    """A key needs a passphrase, or another one."""


@dataclass(frozen=True, slots=True)
class LoginKey:
    """A key of this machine that is to log in."""

    file: Path
    """Where it is, or will be."""
    line: str
    """Its line for authorized_keys."""
    passphrase: str = field(default="", repr=False)
    private: bytes = field(default=b"", repr=False)
    """What `write` writes; empty for a key that is there already."""

    @property
    def blob(self) -> str:
        """The public key in base64, by which two lines are compared."""
        return self.line.split()[1]


def usual_file() -> Path:
    """Return the file where ssh looks for a key by itself, and where `ssh-keygen` writes one."""
    return openssh_config.home() / ".ssh" / "id_ed25519"


def make(file: Path, passphrase: str) -> LoginKey:
    """Make a key for a file that is written by `write`; an empty passphrase protects nothing.

    With a passphrase it takes half a second: call it in a thread.
    """
    comment = re.sub(r"\s+", "-", clean(f"{openssh_config.local_user()}@{socket.gethostname()}", 100))
    key = asyncssh.generate_private_key("ssh-ed25519", comment)  # pyright: ignore[reportUnknownMemberType]
    private = key.export_private_key("openssh", passphrase or None, cipher_name="aes256-ctr", rounds=_ROUNDS)
    return LoginKey(file, _line(key), passphrase, private)


def existing(file: Path, passphrase: str = "") -> LoginKey | None:
    """Return the key that is in a file, or None when nothing is there.

    Raises KeyLocked when it needs a passphrase, or another one, and ConfigError when it cannot be used.
    """
    public = _beside(file)
    if not os.path.lexists(file):
        if os.path.lexists(public):
            raise ConfigError(
                "Half a key",
                f"{_shown(public)} is there without its private key {_shown(file)}",
                "Move it away, or put the private key back",
            )
        return None
    key = read_key(file, passphrase)
    return LoginKey(file, _line(key) if key.has_comment() else _with_comment(key, public), passphrase)


def public_half(file: Path) -> LoginKey:
    """Return a locked key without its passphrase: it can be let in, and not log in. Raises ConfigError."""
    found = public_part(file)
    if found is None:
        raise ConfigError("The key is locked", f"{_shown(file)} does not say its public half")
    return LoginKey(file, _with_comment(found, _beside(file)))


def read_key(file: Path, passphrase: str) -> asyncssh.SSHKey:
    """Return the private key of a file.

    Raises KeyLocked when it needs a passphrase, or another one, and ConfigError when ssh would not use it.
    """
    data = _contents(file)
    try:
        # An empty passphrase is an error of its own to bcrypt, and no key has one.
        return asyncssh.import_private_key(data, passphrase or None)
    except ValueError as error:
        if LOCKED.search(str(error)):
            why = "the passphrase is not that of the key" if passphrase else "a passphrase locks it"
            raise KeyLocked("The key is locked", f"{_shown(file)}: {why}") from None
        raise ConfigError(
            "Not a key", f"{_shown(file)} cannot be read as a private key ({clean(str(error), 120)})"
        ) from None


def write(key: LoginKey) -> None:
    """Write a new key and its public half; never replaces a file, and leaves no half of one.

    Raises ConfigError when something is there already, and when it cannot be written.
    """
    folder = key.file.parent
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True)
            folder.chmod(0o700)  # whatever the umask is
        _written(key.file, key.private, 0o600)
        _written(_beside(key.file), f"{key.line}\n".encode(), 0o644)
    except FileExistsError as error:
        raise ConfigError(
            "The key was not written", f"{clean(str(error.filename), 200)} is there already"
        ) from None
    except OSError as error:
        raise ConfigError(
            "The key was not written", f"{_shown(key.file)}: {clean(error.strerror or str(error), 200)}"
        ) from None


def _written(file: Path, data: bytes, mode: int) -> None:
    """Write a new file as a whole; raises FileExistsError, with its name, when something is there."""
    temporary = new_file.temporary(file)
    new_file.make(temporary, data, mode)
    try:
        os.link(temporary, file)  # a rename would replace what is there
    except FileExistsError as error:
        raise FileExistsError(error.errno, error.strerror, str(file)) from None
    except OSError:  # a file system without a second name for a file
        new_file.make(file, data, mode)
    finally:
        temporary.unlink(missing_ok=True)


def _contents(file: Path) -> bytes:
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise ConfigError("Not a key", f"{_shown(file)} is no file with a key")
        if found.st_uid == os.getuid() and found.st_mode & 0o077:
            raise ConfigError(
                "The key is open to others",
                f"ssh does not use {_shown(file)}: its mode is {stat.S_IMODE(found.st_mode):04o}",
                f"chmod 600 {_shown(file)}",
            )
        return file.read_bytes()
    except OSError as error:
        raise ConfigError("The key cannot be read", f"{_shown(file)}: {error.strerror}") from None


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.pub")


def _shown(file: Path) -> str:
    return clean(str(file), 200)


def _line(key: asyncssh.SSHKey) -> str:
    """Return the public line of a key on one line, whatever its comment holds."""
    kind, blob, *comment = key.export_public_key().decode("utf-8", "replace").split()
    return " ".join((kind, blob, *(word for part in comment if (word := clean(part, 100)))))


def _with_comment(key: asyncssh.SSHKey, public: Path) -> str:
    """Return the public line of a key with the comment of the file beside it, if that is of the same key."""
    with contextlib.suppress(OSError, ValueError):
        beside = asyncssh.read_public_key(public)
        if beside.public_data == key.public_data:
            return _line(beside)
    return _line(key)
