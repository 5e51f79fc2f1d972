"""What the tests of desktops share."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.boxes.desktops.places import Place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncGenerator[Place]:
    """A home with a VNC server and hardly more; whatever was started in it is ended."""
    made = Place(tmp_path)
    made.add_vnc()
    try:
        yield made
    finally:
        await made.clear()
