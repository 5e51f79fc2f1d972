"""Certificates are read without openssl: names, issuer, dates; anything else is refused in words."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.remote.checks import certificates
from tests.remote.checks.made_certificates import DAY, certificate

BEGIN = 1_790_000_000.0
FRESH = certificate(
    ["gpu.example.org", "*.lab.example.org", "192.0.2.7", "2001:db8::7"], BEGIN, BEGIN + 90 * DAY
)


def test_names_issuer_dates_and_fingerprint_are_read() -> None:
    made = certificate(
        ["gpu.example.org", "192.0.2.7", "2001:db8::7"], BEGIN, BEGIN + 90 * DAY, owner="Let's Encrypt"
    )
    assert certificates.read(made.der) == {
        "names": ["gpu.example.org", "192.0.2.7", "2001:db8:0:0:0:0:0:7"],
        "subject": "gpu.example.org",
        "issuer": "R11 (Let's Encrypt)",
        "begins": BEGIN,
        "ends": BEGIN + 90 * DAY,
        "fingerprint": hashlib.sha256(made.der).hexdigest(),
        "self_signed": False,
    }


def test_a_certificate_beyond_2050_and_without_names_is_read() -> None:
    made = certificate([], BEGIN, 4_000_000_000.0, subject="büro [/b]\x1b[2J", issuer="")
    row = certificates.read(made.der)
    assert row["names"] == ["büro [/b]\x1b[2J"]
    assert row["ends"] == 4_000_000_000.0
    assert row["self_signed"] is True


@given(st.integers(0, len(FRESH.der)), st.integers(0, 255))
def test_a_damaged_certificate_is_refused_and_never_crashes(place: int, byte: int) -> None:
    for data in (FRESH.der[:place], FRESH.der[:place] + bytes([byte]) + FRESH.der[place + 1 :]):
        with contextlib.suppress(ValueError):
            assert 0 <= certificates.read(data)["ends"] <= 253_402_300_799


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        certificates.read(data)


def test_the_first_certificate_of_a_chain_is_the_servers_own(tmp_path: Path) -> None:
    other = certificate(["ca"], BEGIN, BEGIN + DAY)
    path = tmp_path / "fullchain.pem"
    path.write_bytes(FRESH.key + FRESH.certificate + other.certificate)
    row = certificates.on_disk(str(path))
    assert row["names"][0] == "gpu.example.org"
    assert row["path"] == str(path)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "no certificate in the file"),
        (FRESH.key, "no certificate in the file"),
        (b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "damaged"),
        (None, "No such file"),
    ],
)
def test_a_file_without_a_certificate_says_why(tmp_path: Path, content: bytes | None, error: str) -> None:
    path = tmp_path / "live.pem"
    if content is not None:
        path.write_bytes(content)
    assert error in certificates.on_disk(str(path))["error"]
