"""Algorithms of a connection: the user's choice from ssh's configuration, as far as asyncssh has them."""

from __future__ import annotations

from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_default_public_key_algs

from gpubox.ssh.host_key import not_had
from gpubox.ssh.resolve import Resolved


def chosen(hop: Resolved, about: str) -> dict[str, list[str] | str | int]:
    """Return the algorithms that the user chose, as far as asyncssh has them; aes128-gcm is its fastest.

    Raises ConfigError when it has none of those that are allowed.
    """
    ours: dict[str, list[str] | str | int] = {"encryption_algs": "^aes128-gcm@openssh.com"}
    for option, keyword, able in (
        ("encryption_algs", "Ciphers", get_encryption_algs),
        ("kex_algs", "KexAlgorithms", get_kex_algs),
        ("mac_algs", "MACs", get_mac_algs),
        ("signature_algs", "PubkeyAcceptedAlgorithms", get_default_public_key_algs),
    ):
        requested = (hop.chosen or {}).get(keyword.lower(), ())
        names = [name for name in requested if name.encode() in able()]
        if names:
            ours[option] = names
        elif requested:
            raise not_had(keyword, requested, about)
    size, seconds = hop.rekey
    return ours | ({"rekey_bytes": size} if size else {}) | ({"rekey_seconds": seconds} if seconds else {})
