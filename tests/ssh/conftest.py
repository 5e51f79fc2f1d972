"""What the tests of the link share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ssh.fakes import Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A private folder; no agent of the user who runs the tests is asked."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return Folder(tmp_path)
