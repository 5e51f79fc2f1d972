"""Encrypts VNC passwords as servers expect it: DES, eight characters, the bits of each byte reversed.

It protects nothing here: VNC servers support nothing better, and ssh protects the connection.
"""

from __future__ import annotations

_FILE_KEY = bytes.fromhex("17526b06234e5807")
"""The well-known key with which VNC servers encrypt a password file."""


def answer(password: str, challenge: bytes) -> bytes:
    """Return the answer to a server's challenge of 16 bytes; only eight characters of the password count."""
    return _des(_eight(password), challenge[:16])


def hide(password: str) -> bytes:
    """Return the eight bytes that a password file holds."""
    return _des(_FILE_KEY, _eight(password))


def reveal(stored: bytes) -> str:
    """Return the password of a file's first eight bytes."""
    return _des(_FILE_KEY, stored[:8], decrypt=True).rstrip(b"\0").decode("latin-1")


def _eight(password: str) -> bytes:
    return password.encode("latin-1", "replace")[:8].ljust(8, b"\0")


def _des(key: bytes, data: bytes, *, decrypt: bool = False) -> bytes:
    # Imported on use: it takes 0.1 s, and few commands open a desktop.
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    reverse = bytes(int(f"{byte:08b}"[::-1], 2) for byte in key)
    cipher = Cipher(TripleDES(reverse * 3), modes.ECB())  # three times the same key is plain DES
    context = cipher.decryptor() if decrypt else cipher.encryptor()
    return context.update(data) + context.finalize()
