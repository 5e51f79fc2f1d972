"""Values of JSON as YAML in blocks; every text stands in quotes as JSON has it, which YAML reads alike."""

from __future__ import annotations

import json
from typing import Any, Iterator, cast


def yaml(value: Any, comment: str = "") -> str:
    """Return a value as a document; `comment` comes first, each of its lines behind a #."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, inner in cast("dict[str, Any]", value).items():
            if isinstance(inner, (dict, list)) and inner:
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(inner))
            else:
                yield f"{key}: {_scalar(inner)}"
    elif isinstance(value, list) and value:
        for inner in cast("list[Any]", value):
            first, *rest = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
