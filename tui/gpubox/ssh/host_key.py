"""Decides about a box's host key: accept, ask, or refuse with the file and line to look at."""

from __future__ import annotations

import base64
import logging
import shlex
from collections.abc import Sequence

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from gpubox.core.errors import Cancelled, ConfigError, HostKeyChanged, HostKeyUnknown
from gpubox.core.prompts import Asker, Question, QuestionKind
from gpubox.core.sanitize import clean
from gpubox.ssh.auth import LoginCache
from gpubox.ssh.known_hosts import KnownHosts, KnownHostsLine, Verdict, fingerprint, key_type, remember
from gpubox.ssh.resolve import Resolved

_LOG = logging.getLogger(__name__)


class HostKeyPolicy:
    """The host key policy of one host, for one attempt to connect."""

    def __init__(self, where: Resolved, about: str, cache: LoginCache) -> None:
        files = (*where.known_hosts, *where.global_known_hosts)
        self._known = KnownHosts(where.host, where.port, where.host_key_alias, files, where.revoked)
        self._where = where
        self._about = about
        self._cache = cache
        self.seen: bytes | None = None
        """The key that was not accepted."""

    def admit(self, blob: bytes) -> bool:
        """Return whether a host key is accepted; another one is remembered for `settle`."""
        if self._too_short(blob):
            self.seen = blob
            return False
        if self._cache.pins.get(self._known.name) == blob and self._verdict(blob) is Verdict.UNKNOWN:
            return True
        if self._verdict(blob) is Verdict.TRUSTED:
            return True
        self.seen = blob
        unknown = self._verdict(blob) is Verdict.UNKNOWN
        # Where keys of another type are known, an attacker may present a new type: ask.
        if unknown and self._where.strict in ("no", "accept-new") and not self._known.keys:
            self._accept(blob)
            return True
        return False

    def admit_authority(self, blob: bytes) -> bool:
        """Return whether a certificate authority is trusted for this host."""
        allowed = (self._where.chosen or {}).get("casignaturealgorithms", ())
        if allowed and not set(_signatures(key_type(blob))) & set(allowed):
            return False
        return self._known.authority(blob) and not self._too_short(blob)

    def _too_short(self, blob: bytes) -> bool:
        """Return whether a key is an RSA key below RequiredRSASize."""
        return 0 < _rsa_bits(blob) < self._where.least_rsa_bits

    def _verdict(self, blob: bytes) -> Verdict:
        return self._known.judge(blob)[0]

    @property
    def algorithms(self) -> list[str]:
        """Host key algorithms to offer: those that can be verified come first."""
        chosen = (self._where.chosen or {}).get("hostkeyalgorithms", ())
        plain = [name.decode() for name in get_default_public_key_algs()]
        certified = (
            [name.decode() for name in get_default_certificate_algs()] if self._known.authorities else []
        )
        usual = [name for name in chosen if name in (*plain, *certified)]
        if chosen and not usual:
            raise not_had("HostKeyAlgorithms", chosen, self._about)
        usual = usual or [*certified, *plain]
        first = {name for kind in self._known.kinds for name in _signatures(kind)}
        return sorted(usual, key=lambda name: name not in certified and name not in first)

    @property
    def revoked(self) -> list[asyncssh.SSHKey]:
        """Revoked keys, for asyncssh to look for inside certificates."""
        return [asyncssh.import_public_key(_public_line(line.blob)) for line in self._known.revoked]

    async def settle(self, asker: Asker) -> None:
        """Decide about the key that was not accepted; returns when it is accepted now.

        Raises HostKeyChanged or HostKeyUnknown when it is refused, Cancelled when the user says no.
        """
        blob = self.seen
        if blob is None:
            raise HostKeyUnknown("No host key", f"{self._about} showed no key that can be read", "")
        verdict, line = self._known.judge(blob)
        if verdict is Verdict.CHANGED and line is not None:
            raise self._changed(blob, line)
        if verdict is Verdict.REVOKED and line is not None:
            raise HostKeyChanged(
                "Host key revoked",
                f"{self._about}: the key {fingerprint(blob)} is revoked by {line.place}",
                "Do not log in; ask whoever runs the box",
            )
        if self._too_short(blob):
            raise HostKeyUnknown(
                "Host key too short",
                f"{self._about}: {_named(blob)} has {_rsa_bits(blob)} bits, and RequiredRSASize says "
                f"{self._where.least_rsa_bits}",
                "Ask whoever runs the box for a longer or newer kind of key",
            )
        if self._where.strict == "yes":
            raise HostKeyUnknown(
                "Host key not known",
                f"{self._about}: {self._where.host} shows {_named(blob)}, and StrictHostKeyChecking says yes",
                f"Log in once with `ssh -o StrictHostKeyChecking=ask {self._where.typed}`",
            )
        answer = await asker.ask(self._question(blob))
        if answer != "yes":
            raise Cancelled(
                "Host key not accepted",
                f"{self._about}: {self._where.host} shows {_named(blob)}",
                f"Try again and say yes, or log in once with `ssh {self._where.typed}`",
            )
        self._accept(blob)

    def _accept(self, blob: bytes) -> None:
        self._cache.pins[self._known.name] = blob
        if not self._where.known_hosts:
            return
        file = self._where.known_hosts[0]
        try:
            remember(file, self._known.name, blob, hashed=self._where.hash_known_hosts)
        except OSError as error:
            _LOG.warning("the key of %s is kept for this run only: %s: %s", self._known.name, file, error)

    def _question(self, blob: bytes) -> Question:
        text = [
            f"{self._where.host} (port {self._where.port}) shows a key that this machine does not know:",
            _named(blob),
        ]
        other = self._known.keys
        if other:
            places = ", ".join(f"{line.kind} in {line.place}" for line in other)
            text.append(f"Keys of another type are known for it: {places}. Be careful.")
        same = [line.names for line in self._known.elsewhere(blob)]
        if same:
            text.append(f"The same key is known for {', '.join(same[:3])}.")
        kind = key_type(blob).removeprefix("ssh-").split("-")[0]
        text.append(f"To compare, on the box: ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub")
        text.append("Log in and remember this key?")
        return Question(self._about, "New host key", "\n".join(text), QuestionKind.YES_NO, danger=bool(other))

    def _changed(self, blob: bytes, line: KnownHostsLine) -> HostKeyChanged:
        remove = f"ssh-keygen -f {shlex.quote(str(line.file))} -R {shlex.quote(self._known.name)}"
        return HostKeyChanged(
            "Host key changed",
            f"{self._about}: {self._where.host} shows {_named(blob)}, but {line.place} remembers "
            f"{fingerprint(line.blob)}. Either the box was reinstalled, or someone is in between",
            f"If you know why it changed: {remove}",
        )


def not_had(keyword: str, names: Sequence[str], about: str) -> ConfigError:
    """Return that none of the algorithms that the user allowed can be used here."""
    return ConfigError(
        f"{keyword} leaves nothing",
        f"{about}: of {clean(', '.join(names), 120)} this program has none",
        f"Add another one to {keyword} for this host",
    )


def _rsa_bits(blob: bytes) -> int:
    """Return the bits of an RSA key's modulus (RFC 4253, 6.6: type, e, n), or 0 for another kind of key."""
    if key_type(blob) != "ssh-rsa":
        return 0
    rest = blob
    for _ in range(2):
        rest = rest[4 + int.from_bytes(rest[:4], "big") :]
    return int.from_bytes(rest[4 : 4 + int.from_bytes(rest[:4], "big")], "big").bit_length()


def _named(blob: bytes) -> str:
    return f"{key_type(blob)} {fingerprint(blob)}"


def _signatures(kind: str) -> Sequence[str]:
    return ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if kind == "ssh-rsa" else (kind,)


def _public_line(blob: bytes) -> str:
    return f"{key_type(blob)} {base64.b64encode(blob).decode()}"
