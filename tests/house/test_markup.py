"""Textual parses a str as markup in many places; text of a box, a user or a file must never be among them."""

import ast
from collections.abc import Iterator

from tests.house import tree

PARSERS = {"markup", "from_markup", "from_text", "render_str", "visualize"}
"""Attributes of Textual and Rich that write or parse markup."""
TITLES = {"border_title", "border_subtitle", "BORDER_TITLE", "BORDER_SUBTITLE"}
TITLE_FILE = "tui/gpubox/ui/widgets/titles.py"
"""The only file that may set the titles of borders."""
PARSE_UNLESS_SET = {"Static", "Label", "OptionList", "SelectionList", "notify"}
"""What parses its texts unless it is called with `markup=False`."""
PARSE_ALWAYS = {
    "Button",
    "Checkbox",
    "RadioButton",
    "Tab",
    "TabPane",
    "Collapsible",
    "DataTable",
    "Tree",
    "Link",
}
"""What always parses its text: a literal may stand there, nothing else."""


def called(node: ast.Call) -> str:
    """The last name of what is called."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def is_content(value: ast.expr) -> bool:
    """Whether an expression is surely not parsed: None, or a Content made here."""
    match value:
        case ast.Constant(value=None):
            return True
        case ast.IfExp(body=body, orelse=otherwise):
            return is_content(body) and is_content(otherwise)
        case ast.Call(func=ast.Name(id="Content")):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Name(id="Content"))):
            return True
        case _:
            return False


def parsing(module: ast.Module, *, titles: bool) -> Iterator[ast.expr | ast.stmt]:
    """Yield each place that may parse markup; titles of borders where `titles` allows none."""
    for node in ast.walk(module):
        match node:
            case ast.Attribute(attr=name) if name in PARSERS:
                yield node
            case (
                ast.Assign(targets=[ast.Attribute(attr=name)], value=value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ):
                # A local name may be called so: `self.tooltip = tooltip` holds what is made above it.
                local = isinstance(value, ast.Name) and value.id == name
                wrong = (titles and name in TITLES) or (name == "tooltip" and not is_content(value))
                if wrong and not local:
                    yield node
            case ast.FunctionDef(name="render", returns=ast.Name(id="str")):
                yield node
            case ast.Call(args=args, keywords=keywords):
                plain = any(
                    word.arg == "markup" and isinstance(word.value, ast.Constant) and not word.value.value
                    for word in keywords
                )
                if called(node) in PARSE_UNLESS_SET and not plain and (args or keywords):
                    yield node
                if called(node) in PARSE_ALWAYS and any(not isinstance(each, ast.Constant) for each in args):
                    yield node
            case _:
                pass


def test_no_text_is_parsed_as_markup() -> None:
    found = [
        f"{tree.name(path)}:{place.lineno}"
        for path in tree.sources()
        if path.is_relative_to(tree.PACKAGE / "ui")
        for place in parsing(tree.parsed(path), titles=tree.name(path) != TITLE_FILE)
    ]
    assert found == []


def test_each_way_to_parse_is_found() -> None:
    wrong = (
        "a.border_title = text",
        "a.border_subtitle = Content(text).markup",
        "BORDER_TITLE = 'x'",
        "a.tooltip = text",
        "Static(text)",
        "self.notify(text, title=title)",
        "self.notify(text, markup=True)",
        "Button(text)",
        "Content.from_markup(text)",
        "self.render_str(text)",
        "def render(self) -> str: ...",
    )
    assert [text for text in wrong if not list(parsing(ast.parse(text), titles=True))] == []


def test_what_parses_nothing_passes() -> None:
    right = (
        "set_title(a, text)",
        "a.tooltip = Content(text) if text else None",
        "Static(text, markup=False)",
        "Button('Yes', id='yes')",
        "Content.assemble((text, 'bold'))",
        "def render(self) -> Content: ...",
    )
    assert [text for text in right if list(parsing(ast.parse(text), titles=True))] == []
