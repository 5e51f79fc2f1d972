"""The project's own files, for the tests that hold its shape."""

import ast
import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tui" / "gpubox"
REMOTE = PACKAGE / "remote"
COMMON = PACKAGE / "common"


@cache
def tracked() -> list[Path]:
    """Every file under version control; in an unpacked archive, every file of the source folders."""
    names: list[str] = []
    if shutil.which("git"):
        listing = ["git", "-C", str(ROOT), "ls-files", "-z"]
        names = subprocess.run(listing, capture_output=True, text=True, check=False).stdout.split("\0")
    if any(names):
        paths = [ROOT / name for name in names if name]
    else:
        paths = [
            path for top in (ROOT / "tui", *_tests(), ROOT / "config") for path in (top, *top.rglob("*"))
        ]
    return sorted(path for path in paths if path.is_file() and "__pycache__" not in path.parts)


def _tests() -> list[Path]:
    """What lies in tests/, without the programs of others that the tests fetch into hidden folders."""
    return [path for path in (ROOT / "tests").iterdir() if not path.name.startswith(".")]


def sources() -> list[Path]:
    """The Python files on disk, also those not yet under version control."""
    found = (path for top in (PACKAGE, *_tests()) for path in (top, *top.rglob("*.py")))
    return sorted(path for path in found if path.suffix == ".py" and path.is_file())


def runs_on_the_box(path: Path) -> bool:
    """Whether a file is sent to boxes, where Python may be as old as 3.8."""
    return REMOTE in path.parents or COMMON in path.parents


def name(path: Path) -> str:
    """The path as a user types it from the top of the checkout."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(), filename=str(path))
