"""Every room, every setting and every reactive says what it is for."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.house import tree


def test_every_module_says_what_it_is_for() -> None:
    # Docstrings below the module are ruff's to ask for (rules D1).
    silent = [tree.name(path) for path in tree.sources() if len(tree.parsed(path).body) > 0]
    spoken = [tree.name(path) for path in tree.sources() if ast.get_docstring(tree.parsed(path))]
    assert [path for path in silent if path not in spoken] == []


def test_every_room_says_so_in_one_line() -> None:
    rooms = [path.parent for path in tree.PACKAGE.rglob("__init__.py")]
    said = {room: ast.get_docstring(tree.parsed(room / "__init__.py")) or "" for room in rooms}
    assert [tree.name(room) for room, text in said.items() if len(text.splitlines()) != 1] == []


def target(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    """Name and value of an assignment in a class body; no name for anything else."""
    match statement:
        case ast.AnnAssign(annotation=ast.Name(id=kind)) if kind[0].isupper():
            return "", None  # of one of our classes, which says it
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case _:
            return "", None


def is_reactive(value: ast.expr | None) -> bool:
    """Whether a value is made by Textual's `reactive` or `var`."""
    match value:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Subscript(value=ast.Name(id=name))):
            return name in ("reactive", "var")
        case _:
            return False


def unexplained(body: list[ast.stmt], *, reactive_only: bool) -> Iterator[ast.stmt]:
    """Public attributes of a class body that have no string under them."""
    for statement, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        name, value = target(statement)
        if not name or name.startswith("_") or name.isupper() or (reactive_only and not is_reactive(value)):
            continue
        match after:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case _:
                yield statement


def silent_attributes(files: str, *, reactive_only: bool) -> list[str]:
    """Where in some files a class attribute has no string under it."""
    return [
        f"{tree.name(path)}:{statement.lineno}"
        for path in sorted(tree.PACKAGE.glob(files))
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.ClassDef)
        for statement in unexplained(node.body, reactive_only=reactive_only)
    ]


def test_every_setting_says_what_it_sets() -> None:
    assert silent_attributes("config/settings.py", reactive_only=False) == []


def test_every_reactive_says_what_it_holds() -> None:
    assert silent_attributes("ui/**/*.py", reactive_only=True) == []


def test_an_attribute_without_words_is_found() -> None:
    body = ast.parse(
        "class A:\n  a: int = 1\n  'said'\n  b = reactive(0)\n  c: Reactive[int] = var(1)\n"
    ).body[0]
    assert isinstance(body, ast.ClassDef)
    assert [node.lineno for node in unexplained(body.body, reactive_only=False)] == [4, 5]
    assert [node.lineno for node in unexplained(body.body, reactive_only=True)] == [4, 5]


GONE = {
    *("wish", "wishes", "wanted", "door", "doors", "house", "vault"),
    *("coming", "told", "tell", "kept", "ears", "mend", "bury"),
    *("mortal", "summon", "farewell", "heard", "anew"),
}
"""Words of a private language that identifiers had; ARCHITECTURE.md has the field's word for each thing."""
GONE_PROSE = re.compile(
    r"\b(persons?|whoever|whomever|wish(?:e[sd])?|told|tell whether|for ever|anew)\b", re.IGNORECASE
)
"""The same, in docstrings and comments: who uses the program is the user, and functions return whether."""
REASONS: dict[str, str] = {}
"""Public names of classes that stand for two things, and why; at most five."""


def identifiers(module: ast.Module) -> set[str]:
    """The names that a module defines, and the parts that they are made of."""
    names: set[str] = set()
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                names.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    parts = {part for name in names for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    return {part.lower() for part in parts}


def test_words_of_the_private_language_do_not_come_back() -> None:
    found: dict[str, set[str]] = {}
    for path in tree.sources():
        if path != Path(__file__) and (words := identifiers(tree.parsed(path)) & GONE):
            found[tree.name(path)] = words
    assert found == {}, "the glossary of ARCHITECTURE.md has the words to use"


def test_a_word_in_any_identifier_is_found() -> None:
    body = "class JobWish:\n  doors: int\n  def was_told(self, wishes): self.kept = told = 1\nf(coming=1)"
    assert identifiers(ast.parse(body)) >= {"wish", "doors", "told", "wishes", "kept", "coming"}


def prose(source: str) -> Iterator[str]:
    """Yield the comments, and the strings that stand alone: docstrings, and what is under attributes."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text
            case _:
                pass


def test_docstrings_and_comments_read_as_the_field_writes() -> None:
    found = {
        f"{tree.name(path)}: {match.group()}"
        for path in tree.sources()
        if path != Path(__file__)
        for text in prose(path.read_text())
        for match in GONE_PROSE.finditer(text)
    }
    assert found == set()


def test_a_word_in_any_docstring_or_comment_is_found() -> None:
    source = 'def f():\n  """Tell whether."""\n  a = "a person"\n  """Told."""\nb = 1  # whoever wished\n'
    words = [match.group().lower() for text in prose(source) for match in GONE_PROSE.finditer(text)]
    assert sorted(words) == ["tell whether", "told", "whoever", "wished"]


def class_names(room: str) -> Iterator[str]:
    """Every public class that the modules of one room define."""
    for path in sorted((tree.PACKAGE / room).rglob("*.py")):
        for node in tree.parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name


def test_a_public_class_name_stands_for_one_thing() -> None:
    rooms = [path.name for path in tree.PACKAGE.iterdir() if path.is_dir()]
    counted = Counter(name for room in rooms for name in class_names(room))
    twice = {name for name, times in counted.items() if times > 1}
    assert len(counted) > 300
    assert twice - set(REASONS) == set()
    assert len(REASONS) <= 5
