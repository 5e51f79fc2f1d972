"""What the tests of files share: a home on the box, a folder here, and the line between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpubox.boxes.files.transfer import Files
from tests.boxes.files.cut_line import Line


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder on the box, empty."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder of this machine, empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


@pytest.fixture
def line() -> Line:
    """The link, which a test may cut."""
    return Line()


@pytest.fixture
def files(line: Line) -> Files:
    """What copies files over it."""
    return Files("box", line.shell, line.channels)
