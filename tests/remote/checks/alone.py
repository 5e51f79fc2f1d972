"""A box whose programs are those of the test alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gpubox.remote.checks import commands
from tests.remote.checks.trees import Tree


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A box without anything, where the programs of this machine are not found."""
    tree = Tree(tmp_path, monkeypatch)
    for name in ("cat", "env"):  # what the programs of the test need
        found = shutil.which(name)
        assert found
        (tree.programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tree.programs))
    monkeypatch.setattr(commands, "FOLDERS", ())
    for name in ("CUDA_HOME", "CUDA_PATH", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tree


def script(tree: Tree, name: str, text: str) -> None:
    """Install a program of the given lines of sh."""
    place = tree.programs / name
    place.write_text("#!/bin/sh\n" + text)
    place.chmod(0o755)
