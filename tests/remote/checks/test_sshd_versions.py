"""What the box knows of sshd beside its settings: rules of PAM, and the key exchanges of this version."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpubox.remote.checks import sshd
from tests.remote.checks.test_sshd import lay, root, stand_in

__all__ = ["root"]  # a fixture


def test_what_pam_and_this_version_know_is_reported(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        tmp_path, monkeypatch, "ssh", "[ $1 = -Q ] && printf 'curve25519-sha256\\nsntrup761x25519-sha512\\n'"
    )
    found = sshd.gather()
    assert (found["pam"], found["exchanges"]) == (False, ["curve25519-sha256", "sntrup761x25519-sha512"])
    lay(root, **{"/etc/pam.d/sshd": "auth required pam_unix.so\n"})
    assert sshd.gather()["pam"]
