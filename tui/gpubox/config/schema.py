"""The settings as a JSON Schema, so that an editor completes and checks the file."""

from __future__ import annotations

import ast
import inspect
from typing import cast

import msgspec

from gpubox.config import settings
from gpubox.core import gc_tuning

URL = "https://json-schema.org/draft/2020-12/schema"


def descriptions() -> dict[str, dict[str, str]]:
    """Return the docstring of each setting, by struct and field; "" is the struct's own."""
    found: dict[str, dict[str, str]] = {}
    with gc_tuning.paused():
        tree = ast.parse(inspect.getsource(settings))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            texts = {key: text for base in bases for key, text in found[base].items()}
            texts[""] = ast.get_docstring(node) or ""
            for field, text in zip(node.body, node.body[1:], strict=False):
                match field, text:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str() as words)),
                    ):
                        texts[name] = words
                    case _:
                        pass
            found[node.name] = texts
    return found


def schema() -> dict[str, object]:
    """Return the JSON Schema of the settings file, every setting with its sentence and default."""
    whole = cast("dict[str, object]", msgspec.json.schema(settings.Settings))
    parts = cast("dict[str, dict[str, object]]", whole["$defs"])
    sections = cast("dict[str, dict[str, object]]", parts["Settings"]["properties"])
    for name, texts in descriptions().items():
        if name not in parts:
            continue
        parts[name]["description"] = texts[""]
        properties = cast("dict[str, dict[str, object]]", parts[name]["properties"])
        if name in ("BoxEntry", "Overrides"):  # each key of such a section is checked as in the section
            properties |= {key: {"$ref": sections[key]["$ref"]} for key in settings.PER_BOX}
        for key, about in properties.items():
            if key in texts:
                about["description"] = texts[key]
    return {"$schema": URL, "title": "Settings of gpubox-tui", **whole}
