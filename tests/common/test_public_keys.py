"""Public keys as authorized_keys and .pub files have them: type, size, fingerprint, options."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest

from gpubox.common import public_keys


def blob(kind: str, *fields: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(one)) + one for one in (kind.encode(), *fields))


def key(kind: str = "ssh-ed25519", *fields: bytes, mark: int = 1) -> str:
    """Return a public key of the right form."""
    return f"{kind} {base64.b64encode(blob(kind, *(fields or (bytes([mark]) * 32,)))).decode()}"


def rsa(bits: int) -> str:
    number = (1 << (bits - 1)) | 1
    return key("ssh-rsa", b"\1\0\1", b"\0" + number.to_bytes(bits // 8, "big"))


@pytest.mark.parametrize(
    ("line", "kind", "bits", "options"),
    [
        (key(), "ssh-ed25519", 256, []),
        (rsa(2048), "ssh-rsa", 2048, []),
        (rsa(4096) + " ada@laptop", "ssh-rsa", 4096, []),
        (key("ssh-dss", b"\0" + b"\x80" * 128), "ssh-dss", 1024, []),
        (key("ecdsa-sha2-nistp384", b"nistp384", b"x"), "ecdsa-sha2-nistp384", 384, []),
        (key("sk-ssh-ed25519@openssh.com"), "sk-ssh-ed25519@openssh.com", 256, []),
        ("restrict,pty " + key(), "ssh-ed25519", 256, ["restrict", "pty"]),
        ('command="echo \\"a b\\" ssh-rsa",from="10.*,!x" ' + key(), "ssh-ed25519", 256, ["command", "from"]),
        ("cert-authority " + rsa(3072), "ssh-rsa", 3072, ["cert-authority"]),
    ],
)
def test_a_key_is_known_by_type_size_and_options(line: str, kind: str, bits: int, options: list[str]) -> None:
    found = public_keys.parsed(line)
    assert found is not None
    assert (found.kind, found.bits, found.options) == (kind, bits, options)
    raw = base64.b64decode(line.split(f"{kind} ")[-1].split()[0])
    assert found.fingerprint == "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip(
        "="
    )
    assert found.commented is line.endswith("laptop")


@pytest.mark.parametrize(
    "line",
    ["", "ssh-ed25519", "ssh-ed25519 !!!!", "ssh-ed25519 AAAA", f"ssh-rsa {key().split()[1]}", key()[:40],
     "x y z",
     f"ssh-ed25519 {base64.b64encode(b'xffff').decode()}", '"' * 500, "a" * 9000],
)  # fmt: skip
def test_what_is_no_key_is_none(line: str) -> None:
    assert public_keys.parsed(line) is None


@pytest.mark.parametrize(
    ("text", "expired"),
    [("20200101", True), ("20200101Z", True), ("202001011200", True), ("99990101", False), ("soon", False),
     ("20201399", False)],
)  # fmt: skip
def test_a_key_with_a_date_may_have_expired(text: str, expired: bool) -> None:
    found = public_keys.parsed(f'expiry-time="{text}" {key()}')
    assert found is not None
    assert found.expired is expired
