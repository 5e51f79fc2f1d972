"""The keys to log in with, in order; an encrypted one is unlocked only when the box would accept it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncssh
from asyncssh.agent import SSHAgentKeyPair

from gpubox.ssh.resolve import Resolved

_LOG = logging.getLogger(__name__)

_UNLOCKED = b"b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"
"""How a key of OpenSSH begins that has no passphrase: its cipher is `none`."""

LOCKED = re.compile(r"[Pp]assphrase must|[Ii]ncorrect passphrase|Unable to decrypt")
"""asyncssh's messages for a key that needs a passphrase, or another one."""

Unlock = Callable[[Path], Awaitable[asyncssh.SSHKey]]
"""Reads a private key file, asking for its passphrase if it has one; raises ValueError when it stays
locked."""


class FileKey(asyncssh.SSHKeyPair):
    """A key file of which only the public part was read so far."""

    _key_type = "file"

    def __init__(
        self, file: Path, public: asyncssh.SSHKey, unlock: Unlock, cert: asyncssh.SSHCertificate | None = None
    ) -> None:
        super().__init__(
            public.algorithm,
            public.algorithm,
            public.sig_algorithms,
            public.sig_algorithms,
            public.public_data,
            str(file),
            cert,
        )
        self._file = file
        self._unlock = unlock

    @property
    def ready(self) -> bool:
        """Whether it signs without asking anybody: no passphrase, no security key to touch."""
        head = _head(self._file)
        locked = b"ENCRYPTED" in head or (b"OPENSSH" in head and _UNLOCKED not in head)
        return b"PRIVATE KEY" in head and not locked and not self.algorithm.startswith(b"sk-")

    async def sign_async(self, data: bytes) -> bytes:
        """Sign; raises ValueError when the key stays locked."""
        key = await self._unlock(self._file)
        # An RSA signature takes milliseconds, a security key waits for a touch.
        return await asyncio.to_thread(key.sign, data, self.sig_algorithm)


Offer = asyncssh.SSHKeyPair | Path
"""A key to offer, or a file that must be unlocked to know which key it holds."""


async def offers(
    where: Resolved, agent: asyncssh.SSHAgentClient | None, unlock: Unlock, good: bytes | None
) -> list[Offer]:
    """Return everything to offer to a box, in order.

    The key that worked last time comes first, then those that the configuration names (signed by the
    agent where it holds them), then the rest of the agent, then ssh's usual files: a full agent must not
    use up the tries that the box allows.
    """
    held = await _held(agent)
    extra = [cert for file in where.certificates if (cert := _certificate(file))]
    named = _of_files(where.identities, held, unlock, extra)
    usual = _of_files(where.default_identities, dict(held), unlock, extra)
    rest: list[Offer] = [] if where.identities_only else list(held.values())
    taken = {pair.public_data for pair in rest if isinstance(pair, asyncssh.SSHKeyPair)}
    usual = [pair for pair in usual if isinstance(pair, Path) or pair.public_data not in taken]
    order = [*named, *rest, *usual]
    order.sort(key=lambda pair: isinstance(pair, Path) or pair.public_data != good)
    return order


async def _held(agent: asyncssh.SSHAgentClient | None) -> dict[bytes, SSHAgentKeyPair]:
    if agent is None:
        return {}
    try:
        pairs = await agent.get_keys()
    except (ValueError, OSError) as error:
        _LOG.info("the agent gives no keys: %s", error)
        return {}
    return {pair.public_data: pair for pair in pairs if isinstance(pair, SSHAgentKeyPair)}


def _of_files(
    files: Sequence[Path],
    held: dict[bytes, SSHAgentKeyPair],
    unlock: Unlock,
    extra: Sequence[asyncssh.SSHCertificate],
) -> list[Offer]:
    """Return the offers of key files; keys that the agent holds are removed from `held`."""
    found: list[Offer] = []
    for file in files:
        public = public_part(file)
        if public is None:
            found.extend([file] if file.is_file() else [])
            continue
        certs = [cert for cert in _certificates_of(file, extra) if cert.key.public_data == public.public_data]
        in_agent = held.pop(public.public_data, None)
        for cert in certs:
            held.pop(cert.public_data, None)
            if in_agent is None:
                found.append(FileKey(file, public, unlock, cert))
            else:
                found.append(_with_certificate(in_agent, cert))
        if in_agent is not None:
            found.append(in_agent)
        elif b"PRIVATE KEY" in _head(file):
            found.append(FileKey(file, public, unlock))
    return found


def _with_certificate(pair: SSHAgentKeyPair, cert: asyncssh.SSHCertificate) -> asyncssh.SSHKeyPair:
    certified = _AgentCertificate(pair)
    certified.set_certificate(cert)
    return certified


class _AgentCertificate(asyncssh.SSHKeyPair):
    """A key in the agent with a certificate from a file."""

    _key_type = "agent"

    def __init__(self, pair: SSHAgentKeyPair) -> None:
        super().__init__(
            pair.key_algorithm,
            pair.sig_algorithm,
            pair.sig_algorithms,
            pair.host_key_algorithms,
            pair.key_public_data,
            pair.get_comment_bytes(),
        )
        self._pair = pair

    async def sign_async(self, data: bytes) -> bytes:
        """Let the agent sign."""
        self._pair.set_sig_algorithm(self.sig_algorithm)
        return await self._pair.sign_async(data)


def public_part(file: Path) -> asyncssh.SSHKey | None:
    """Return the public key of a key file, from itself or from the .pub beside it, or None."""
    for candidate in (file, file.with_name(file.name + ".pub")):
        try:
            return asyncssh.read_public_key(candidate)
        except (OSError, ValueError):
            continue
    return None


def _head(file: Path) -> bytes:
    try:
        return file.read_bytes()[:4096]
    except OSError:
        return b""


def _certificates_of(file: Path, extra: Sequence[asyncssh.SSHCertificate]) -> list[asyncssh.SSHCertificate]:
    beside = _certificate(file.with_name(file.name + "-cert.pub"))
    return [*extra, *([beside] if beside else [])]


def _certificate(file: Path) -> asyncssh.SSHCertificate | None:
    try:
        return asyncssh.read_certificate(file)
    except (OSError, ValueError, NameError):  # NameError: it is X.509, which fast_import leaves out
        return None
