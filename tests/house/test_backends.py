"""A job backend is one file or folder: nothing outside of it names it."""

from __future__ import annotations

import pytest

from gpubox.boxes.jobs.backends import BOX, kinds
from tests.house import tree

ALLOWED = {"slurm": {"tui/gpubox/boxes/services/kinds.py"}}
"""Files beside its own in which the name of a backend stands: names of daemons."""


@pytest.mark.parametrize("name", [kind.name for kind in kinds() if kind.name != BOX])
def test_only_its_own_folder_names_a_backend(name: str) -> None:
    files = [path for path in tree.PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    own = tree.PACKAGE / "boxes" / "jobs" / "backends" / name
    others = [path for path in files if own not in path.parents]
    naming = {tree.name(path) for path in others if name.encode() in path.read_bytes().lower()}
    assert naming == ALLOWED.get(name, set())
    assert not [path for path in others if name in tree.name(path).lower()]
