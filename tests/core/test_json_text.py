"""JSON on a terminal holds every string, and nothing that the terminal acts on."""

import ast
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubox.core.json_text import json_text
from tests.house import tree

HOSTILE = "\x1b[2J \x9b31m \x7f \x85 \u202egnp.exe\u202c \u2066x\u2069 \ufeff \U000e0001 \u2028"


def acts(text: str) -> set[str]:
    """Characters of a text that are controls, marks of direction or not assigned."""
    return {one for one in text if unicodedata.category(one)[0] == "C" and one not in "\n\u200c\u200d"}


@pytest.mark.parametrize("indent", [0, 1])
def test_what_a_terminal_acts_on_is_escaped_and_reads_back_the_same(indent: int) -> None:
    text = json_text({"name": HOSTILE, HOSTILE: [1, None]}, indent)
    assert not acts(text)
    assert json.loads(text) == {"name": HOSTILE, HOSTILE: [1, None]}


def test_what_people_read_stays_as_it_is() -> None:
    assert json_text(["宽字 émoji 👩\u200d💻"]) == '["宽字 émoji 👩\u200d💻"]'


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_string_reads_back_the_same(text: str) -> None:
    line = json_text(text)
    assert "\n" not in line
    assert not acts(line)
    assert json.loads(line) == text


def test_the_commands_write_json_by_this_alone() -> None:
    """`json.encode` of msgspec and `json.dumps` leave C1 controls or letters raw."""
    found = [
        f"{tree.name(path)}:{node.lineno}"
        for path in tree.sources()
        if path.is_relative_to(tree.PACKAGE / "commands")
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("encode", "dumps", "format")
        and "json" in ast.unparse(node.value)
    ]
    assert found == []
