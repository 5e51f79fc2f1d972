"""What the tests of this room share with those of boxes, and a store of their own."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpubox.store.store import Store
from tests.boxes.conftest import opened
from tests.store.files import SETTINGS

__all__ = ["opened"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "history.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(SETTINGS, path) as opened:
        assert opened.trouble.value is None
        yield opened


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second with each look at it."""
    ticks = iter(range(1, 100_000))
    monkeypatch.setattr(time, "time", lambda: float(next(ticks)))
