"""Programs of ours as they lie on a box."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from gpubox.agent import bundle


@cache
def _files(main: str) -> Mapping[str, bytes]:
    return bundle.program("test", main).files


def lay(folder: Path, main: str) -> Path:
    """Put a program into a folder as it lies on a box, and return the folder."""
    for name, data in _files(main).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def remote(folder: Path, name: str) -> Path:
    """Return the file of gpubox.remote in such a folder."""
    return folder / "gpubox" / "remote" / name
