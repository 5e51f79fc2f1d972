"""Programs of ours as they lie on a box."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gpubox.agent import bundle


@cache
def _files(main: str, minified: bool) -> dict[str, str]:
    return bundle.sent(bundle.program("test", main, minified=minified))


def lay(folder: Path, main: str, *, minified: bool = False) -> Path:
    """Put a program into a folder as it lies on a box, and return the folder."""
    for name, text in _files(main, minified).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def remote(folder: Path, name: str) -> Path:
    """Return the file of gpubox.remote in such a folder."""
    return folder / "gpubox" / "remote" / name
