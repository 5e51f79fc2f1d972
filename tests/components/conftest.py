"""What the tests against real servers share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.components import servers
from tests.components.desk import Desk
from tests.components.parts import program
from tests.components.servers import new_key


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give sessions a home that nobody has set up."""
    servers.HOME = tmp_path_factory.mktemp("home")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with a key of its own and no agent."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / "desk"
    folder.mkdir()
    made = Desk(folder, new_key(folder / "id"))
    made.configure("")
    return made


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """The library that makes a folder slow; see slow.c."""
    made, source = tmp_path / "slow.so", Path(__file__).with_name("slow.c")
    subprocess.run([program("gcc"), "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made
