"""No file, class or function outgrows what a person takes in at once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import tree

FILE, CLASS, FUNCTION = 300, 250, 60


def overgrown(path: Path) -> Iterator[str]:
    """Say which things in one file are over their bound."""
    lines = len(path.read_text().splitlines())
    # One file a program: what runs on the box is sent as a whole and cannot import a neighbor.
    if lines > FILE and tree.REMOTE not in path.parents:
        yield f"{tree.name(path)} has {lines} lines, over {FILE}"
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


def test_the_style_sheet_is_not_too_long() -> None:
    sheets = list(tree.PACKAGE.rglob("*.tcss"))
    assert sheets
    assert [tree.name(path) for path in sheets if len(path.read_text().splitlines()) > FILE] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("x = 1\n" * 301, "has 301 lines"),
        ("class Big:\n" + "    x = 1\n" * 250, "Big has 251 lines"),
        ("async def long():\n" + "    await x\n" * 60, "long has 61 lines"),
    ],
)
def test_what_is_too_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, fault: str
) -> None:
    monkeypatch.setattr(tree, "ROOT", tmp_path)
    (tmp_path / "sample.py").write_text(text)
    assert [fault in line for line in overgrown(tmp_path / "sample.py")] == [True]
