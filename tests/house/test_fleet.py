"""Who keeps a box: the fleet alone, so that it knows which ones are open."""

from __future__ import annotations

import ast

from tests.house import tree


def keeps_a_box(node: ast.AST) -> bool:
    """Whether a node is a call of Box.keep, which takes the purpose first; Fleet.keep takes the box first."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keep"):
        return False
    given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "purpose")]
    return any(ast.unparse(one).lower().startswith("purpose") for one in given)


def test_only_the_fleet_keeps_boxes() -> None:
    files = [
        path.relative_to(tree.PACKAGE).as_posix()
        for path in tree.sources()
        if tree.PACKAGE in path.parents and any(map(keeps_a_box, ast.walk(tree.parsed(path))))
    ]
    assert files == ["boxes/fleet.py"]


def test_each_way_to_keep_a_box_is_found() -> None:
    for text, found in (
        ("box.keep(Purpose.COMMAND)", True),
        ("self.box.keep(purpose=Purpose.WATCH)", True),
        ("box.keep(purpose)", True),
        ("fleet.keep(box, Purpose.WORK)", False),
        ("link.keep(work)", False),
    ):
        assert any(map(keeps_a_box, ast.walk(ast.parse(text)))) == found, text
