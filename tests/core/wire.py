"""Values as a box that means harm sends them: every field at the edge of what its type lets through."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

WHOLES = (0, 1, -1, 15, 4294967295, 2**53, 2**63 - 1, -(2**63) + 1)
NUMBERS = (0.0, -1.0, 1e-300, -1e-300, 0.5, 100.0, 253402300799.0, 1e18, -1e18)
TEXTS = ("", "x", "GPU is lost", "99999999999999999999", "1.2.3", "\x1b[2J")
OUTSIDE = (
    b"1e999",
    b"1.7e308",
    b"1" + b"0" * 400,
    b"9" * 5000,
    b"-1e999",
    b"Infinity",
    b"NaN",
    b"[" * 200_000,
)
"""JSON, and what only looks like it, that no number of a box is."""


def structs(*kinds: type[msgspec.Struct]) -> Iterator[inspect.StructType]:
    """Yield the structs that decoding these makes, at any depth."""
    seen: set[type] = set()
    left: list[inspect.Type] = list(inspect.multi_type_info(kinds))
    while left:
        kind = left.pop()
        if isinstance(kind, inspect.StructType) and kind.cls not in seen:
            seen.add(kind.cls)
            yield kind
            left += [field.type for field in kind.fields]
        left += parts(kind)


def parts(kind: inspect.Type) -> list[inspect.Type]:
    """Return the types that a type is made of."""
    if isinstance(kind, inspect.UnionType):
        return list(kind.types)
    if isinstance(kind, inspect.VarTupleType):
        return [kind.item_type]
    if isinstance(kind, inspect.DictType):
        return [kind.key_type, kind.value_type]
    return []


def unbounded(kind: inspect.Type) -> bool:
    """Say whether a number of this type may have any size, at any depth short of another struct."""
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return None in (
            kind.ge if kind.ge is not None else kind.gt,
            kind.le if kind.le is not None else kind.lt,
        )
    return any(unbounded(part) for part in parts(kind))


def values(kind: inspect.Type) -> st.SearchStrategy[object]:
    """Return what decodes to a type, its numbers at their edges."""
    if isinstance(kind, inspect.StructType):
        needed = {field.encode_name: values(field.type) for field in kind.fields if field.required}
        more = {field.encode_name: values(field.type) for field in kind.fields if not field.required}
        return st.fixed_dictionaries(needed, optional=more)
    if isinstance(kind, inspect.UnionType):
        return st.one_of(*map(values, kind.types))
    if isinstance(kind, inspect.VarTupleType):
        return st.lists(values(kind.item_type), max_size=3)
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(st.sampled_from(TEXTS), values(kind.value_type), max_size=2)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        edges = WHOLES if isinstance(kind, inspect.IntType) else NUMBERS
        low, high = _or(kind.ge, kind.gt, -1e18), _or(kind.le, kind.lt, 1e18)
        inner = [edge for edge in edges if low < edge <= high] + [kind.ge if kind.ge is not None else high]
        return st.sampled_from(inner)
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(list(kind.values))
    if isinstance(kind, inspect.BoolType):
        return st.booleans()
    return st.none() if isinstance(kind, inspect.NoneType) else st.sampled_from(TEXTS)


def _or(first: float | None, second: float | None, default: float) -> float:
    return first if first is not None else second if second is not None else default
