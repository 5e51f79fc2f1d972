"""What the tests of fixes share: the program in a folder, and a folder of files to change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.remote.bundles import lay
from tests.remote.fixes.program import MAIN, FixesProgram
from tests.remote.running import pythons


@pytest.fixture(scope="session")
def fixes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it lies on a box."""
    return lay(tmp_path_factory.mktemp("fixes"), MAIN)


@pytest.fixture
def fixes(fixes_folder: Path, tmp_path: Path) -> FixesProgram:
    """The program on the oldest Python here, with a journal of its own."""
    return FixesProgram(fixes_folder, tmp_path / "journal", next(iter(pythons().values())))


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A folder of files to change."""
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "one.conf").write_text("first\n")
    (folder / "one.conf").chmod(0o640)
    (folder / "two.conf").write_text("zwei ä\n")
    (folder / "two.conf").chmod(0o600)
    return folder
