"""Compares host keys with known_hosts, and adds new ones."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from gpubox.core.errors import HostKeyChanged
from gpubox.core.sanitize import clean

_LOG = logging.getLogger(__name__)


class Verdict(Enum):
    """What known_hosts says about a key."""

    TRUSTED = "trusted"
    """This key is known."""
    UNKNOWN = "unknown"
    """No key of this type is known; keys of other types may be."""
    CHANGED = "changed"
    """Another key of the same type is known."""
    REVOKED = "revoked"
    """The key is marked as revoked."""


@dataclass(frozen=True, slots=True)
class KnownHostsLine:
    """One line of a known_hosts file."""

    file: Path
    number: int
    """From 1."""
    marker: str
    """Empty, `@cert-authority` or `@revoked`."""
    names: str
    """Comma-separated patterns, or one hashed name."""
    blob: bytes
    """The key as it goes over the wire."""

    @property
    def kind(self) -> str:
        """The key's type, such as `ssh-ed25519`."""
        return key_type(self.blob)

    @property
    def place(self) -> str:
        """`file:line`, as editors take it."""
        return f"{self.file}:{self.number}"


def key_type(blob: bytes) -> str:
    """Return the type that a key names itself, or an empty string when it is no key."""
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length].decode("ascii", "replace") if 0 < length <= len(blob) - 4 else ""


def parse(text: str, file: Path) -> Iterator[KnownHostsLine]:
    """Yield the lines of known_hosts text that hold a key; malformed ones are skipped."""
    for number, raw in enumerate(text.split("\n"), 1):
        words = raw.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) < 3 or marker not in ("", "@cert-authority", "@revoked"):
            continue
        blob = _blob(words[2])
        if blob and key_type(blob) == words[1]:
            yield KnownHostsLine(file, number, marker, words[0], blob)


def names_match(names: str, host: str) -> bool:
    """Return whether the name field of a line means a host, given as `host` or `[host]:port`."""
    host = host.lower()
    if names.startswith("|"):
        return _hash_matches(names, host)
    matched = False
    for pattern in names.lower().split(","):
        negated = pattern.startswith("!")
        if _glob_matches(pattern[negated:], host):
            if negated:
                return False
            matched = True
    return matched


def _hash_matches(names: str, host: str) -> bool:
    try:
        _, magic, salt, digest = names.split("|")
        expected = base64.b64decode(digest, validate=True)
        found = hmac.new(base64.b64decode(salt, validate=True), host.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return magic == "1" and hmac.compare_digest(expected, found)


def _glob_matches(pattern: str, host: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == host
    # Brackets are part of `[host]:port` here, so fnmatch would be wrong.
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, host, re.DOTALL) is not None


def lookup_name(host: str, port: int, alias: str = "") -> str:
    """Return the name that known_hosts has for a host."""
    if alias:
        return alias.lower()
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


_KRL = b"SSHKRL\n\0"
"""How a key revocation list begins (PROTOCOL.krl of OpenSSH)."""


def revoked_keys(file: Path) -> Iterator[KnownHostsLine]:
    """Yield the keys of a RevokedHostKeys file, each on a line of its own.

    Raises HostKeyChanged when the file cannot be read, as ssh refuses every host then.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error.strerror or "", "Correct RevokedHostKeys in ~/.ssh/config") from error
    if data.startswith(_KRL):
        how = "Give RevokedHostKeys a file with one public key a line instead, or log in with ssh"
        raise _unreadable(file, "it is a binary key revocation list, which only ssh itself reads", how)
    for number, raw in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        words = raw.split()
        if not words or words[0].startswith("#"):
            continue
        blob = _blob(words[1]) if len(words) > 1 else b""
        if key_type(blob) != words[0]:
            raise _unreadable(file, f"line {number} is no public key", "Correct that line")
        yield KnownHostsLine(file, number, "@revoked", "*", blob)


def _unreadable(file: Path, why: str, hint: str) -> HostKeyChanged:
    words = f"{clean(str(file), 120)} (RevokedHostKeys): {why}; no host key is trusted until it can be read"
    return HostKeyChanged("Revoked keys cannot be read", words, hint)


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


class KnownHosts:
    """The entries of all known_hosts files for one host, read once.

    Raises HostKeyChanged when a file of revoked keys cannot be read.
    """

    def __init__(
        self, host: str, port: int, alias: str, files: Sequence[Path], revoked: Sequence[Path] = ()
    ) -> None:
        self.name = lookup_name(host, port, alias)
        """The name that was looked up."""
        self._all = tuple(_read(files))
        self._lines = [line for line in self._all if names_match(line.names, self.name)]
        # A key under the plain name is good for other ports too, but never makes a key there a changed one.
        plain = [] if alias or port == 22 else [li for li in self._all if names_match(li.names, host)]
        self._plain = plain
        self._everywhere = [line for file in revoked for line in revoked_keys(file)]

    @property
    def authorities(self) -> list[KnownHostsLine]:
        """Lines of certificate authorities for this host."""
        return [line for line in (*self._lines, *self._plain) if line.marker == "@cert-authority"]

    @property
    def revoked(self) -> list[KnownHostsLine]:
        """Lines of revoked keys for this host, including keys that are revoked everywhere."""
        marked = [line for line in (*self._lines, *self._plain) if line.marker == "@revoked"]
        return [*marked, *self._everywhere]

    @property
    def keys(self) -> list[KnownHostsLine]:
        """Lines of plain keys for this host and port."""
        return [line for line in self._lines if not line.marker]

    @property
    def kinds(self) -> list[str]:
        """Key types to request from the host, since one of them can be verified."""
        lines = [*self.keys, *(line for line in self._plain if not line.marker)]
        return list(dict.fromkeys(line.kind for line in lines))

    def judge(self, blob: bytes) -> tuple[Verdict, KnownHostsLine | None]:
        """Return the verdict on a key, and the line that decided it."""
        for line in self.revoked:
            if line.blob == blob:
                return Verdict.REVOKED, line
        for line in (*self._lines, *self._plain):
            if not line.marker and line.blob == blob:
                return Verdict.TRUSTED, line
        for line in self.keys:
            if line.kind == key_type(blob):
                return Verdict.CHANGED, line
        return Verdict.UNKNOWN, None

    def authority(self, blob: bytes) -> bool:
        """Return whether a key may sign this host's certificates."""
        if any(line.blob == blob for line in self.revoked):
            return False
        return any(line.blob == blob for line in self.authorities)

    def elsewhere(self, blob: bytes) -> list[KnownHostsLine]:
        """Return the lines that hold this key under another name."""
        return [line for line in self._all if line.blob == blob and not line.marker]


def _read(files: Iterable[Path]) -> Iterator[KnownHostsLine]:
    for file in files:
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue  # A missing file has no entries.
        yield from parse(text, file)


def fingerprint(blob: bytes) -> str:
    """Return `SHA256:...` as ssh prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def remember(file: Path, name: str, blob: bytes, *, hashed: bool) -> KnownHostsLine:
    """Append a key to a known_hosts file, which is made when it is missing; returns the new line.

    The name is hashed when `hashed` is set or when the file has hashed names already. Raises OSError.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with open(descriptor, "r+b") as stream:
        stream.seek(0)
        before = stream.read()
        names = _hashed(name) if hashed or re.search(rb"^\|1\|", before, re.MULTILINE) else name
        line = f"{names} {key_type(blob)} {base64.b64encode(blob).decode()}\n".encode()
        stream.write(b"\n" + line if before and not before.endswith(b"\n") else line)
    number = before.count(b"\n") + (1 if before.endswith(b"\n") or not before else 2)
    _LOG.info("added the key of %s to %s:%d", name, file, number)
    return KnownHostsLine(file, number, "", names, blob)


def _hashed(name: str) -> str:
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|".join(("", "1", base64.b64encode(salt).decode(), base64.b64encode(digest).decode()))
