"""Makes certificates with any names and dates."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = 86400.0


@dataclass(frozen=True)
class Made:
    """A certificate and its key, in PEM."""

    certificate: bytes
    key: bytes
    der: bytes

    def write(self, folder: Path, name: str = "live") -> Path:
        """Write both; returns the file of the certificate."""
        (folder / f"{name}.key").write_bytes(self.key)
        path = folder / f"{name}.pem"
        path.write_bytes(self.certificate)
        return path


def certificate(
    names: Sequence[str],
    begins: float,
    ends: float,
    *,
    subject: str = "",
    issuer: str = "R11",
    owner: str = "",
) -> Made:
    """Return a certificate for names and addresses; without `issuer` it is signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    common = subject or (names[0] if names else "")
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    by = [x509.NameAttribute(NameOID.COMMON_NAME, issuer or common)]
    if owner:
        by.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, owner))
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(x509.Name(by) if issuer else own)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_date(begins))
        .not_valid_after(_date(ends))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
        )
    made = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return Made(
        made.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        made.public_bytes(serialization.Encoding.DER),
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _date(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
