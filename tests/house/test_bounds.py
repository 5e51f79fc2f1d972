"""No file, class or function outgrows what a user takes in at once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import tree

FILE, CLASS, FUNCTION = 300, 250, 60
REMOTE_FILE = 600
"""Lines of a file that runs on the box."""
UNCUT: set[str] = set()
"""Files that are longer, until they are cut."""


def overgrown(path: Path) -> Iterator[str]:
    """Say which things in one file are over their bound."""
    lines = len(path.read_text().splitlines())
    most = REMOTE_FILE if tree.REMOTE in path.parents else FILE
    if lines > most and tree.name(path) not in UNCUT:
        yield f"{tree.name(path)} has {lines} lines, over {most}"
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, ast.ClassDef):
            bound = CLASS
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            bound = FUNCTION
        else:
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > bound:
            yield f"{tree.name(path)}:{node.lineno} {node.name} has {length} lines, over {bound}"


def test_no_file_class_or_function_is_too_long() -> None:
    assert [fault for path in tree.sources() for fault in overgrown(path)] == []


def test_only_files_that_are_too_long_are_excused() -> None:
    assert {
        name for name in UNCUT if len((tree.ROOT / name).read_text().splitlines()) <= REMOTE_FILE
    } == set()


def test_the_style_sheet_is_not_too_long() -> None:
    sheets = list(tree.PACKAGE.rglob("*.tcss"))
    assert sheets
    assert [tree.name(path) for path in sheets if len(path.read_text().splitlines()) > FILE] == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("sample.py", "x = 1\n" * 301, "has 301 lines"),
        ("remote/sample.py", "x = 1\n" * 601, "has 601 lines"),
        ("sample.py", "class Big:\n" + "    x = 1\n" * 250, "Big has 251 lines"),
        ("sample.py", "async def long():\n" + "    await x\n" * 60, "long has 61 lines"),
    ],
)
def test_what_is_too_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, fault: str
) -> None:
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    monkeypatch.setattr(tree, "REMOTE", tmp_path / "remote")
    (tmp_path / "remote").mkdir()
    (tmp_path / name).write_text(text)
    assert [fault in line for line in overgrown(tmp_path / name)] == [True]


def test_a_file_that_runs_on_the_box_may_be_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    monkeypatch.setattr(tree, "REMOTE", tmp_path)
    (tmp_path / "sample.py").write_text("x = 1\n" * 600)
    assert list(overgrown(tmp_path / "sample.py")) == []
