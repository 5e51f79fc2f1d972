"""A tree of files in place of a box, without the programs of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpubox.remote.checks import commands


def without_programs(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    """Let the gatherers read below a folder, and find no program."""
    monkeypatch.setenv("GPUBOX_ROOT", str(tree))
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr(commands, "has_systemd", lambda: False)
    monkeypatch.setattr(commands, "which", _nowhere)


def _nowhere(program: str) -> str:
    return ""


def put(tree: Path, path: str, text: str | bytes) -> None:
    """Write a file below the folder."""
    place = tree / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(text if isinstance(text, bytes) else text.encode())
