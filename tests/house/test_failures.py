"""Each failure that many places can meet is put into words in one of them."""

import ast

import pytest

from tests.house import tree


def names(node: ast.AST) -> set[str]:
    """The names and the texts that stand in a piece of code."""
    found: set[str] = set()
    for one in ast.walk(node):
        match one:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.Constant(value=str(text)):
                found.add(text)
            case _:
                pass
    return found


def holding(word: str, kind: type[ast.AST]) -> list[str]:
    """The files of the package that talk to a box in which a piece of code of some kind holds a word."""
    rooms = [path for path in tree.sources() if tree.PACKAGE in path.parents]
    return sorted(
        path.relative_to(tree.PACKAGE).as_posix()
        for path in rooms
        if path.relative_to(tree.PACKAGE).parts[0] not in ("ui", "remote", "store")
        and any(word in names(node) for node in ast.walk(tree.parsed(path)) if isinstance(node, kind))
    )


@pytest.mark.parametrize(
    ("word", "kind", "places"),
    [
        ("Not connected", ast.Call, ["core/errors.py"]),
        ("MsgspecError", ast.ExceptHandler, ["core/json_bytes.py"]),
        (
            "RecursionError",
            ast.ExceptHandler,
            ["boxes/desktops/novnc.py", "common/transfer/wire.py", "core/json_bytes.py"],
        ),
    ],
)
def test_a_failure_is_translated_in_one_place(word: str, kind: type[ast.AST], places: list[str]) -> None:
    # novnc.py unpacks an archive, and no answer; the transfer runs on the box too; the store decodes what it
    # wrote to this machine's disk.
    assert holding(word, kind) == places
