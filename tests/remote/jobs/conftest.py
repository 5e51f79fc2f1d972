"""The box that jobs run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remote.jobs.box import Box
from tests.remote.running import pythons


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box with our own Python."""
    made = Box(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["oldest", "newest"])
def any_box(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Box]:
    """A box with the oldest and with the newest Python here."""
    found = list(pythons().values())
    made = Box(tmp_path, found[0] if request.param == "oldest" else found[-1])
    yield made
    made.close()
