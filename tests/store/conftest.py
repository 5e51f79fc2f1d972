"""What the tests of this room share with those of boxes."""

from tests.boxes.conftest import opened

__all__ = ["opened"]
