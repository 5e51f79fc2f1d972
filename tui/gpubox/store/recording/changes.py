"""The difference between two samples, as values that JSON holds: a twentieth of a whole sample.

A change of an object is an object: a field that it names has that new value, and a field whose name ends in a
plus has grown by that whole number. A change of a list of rows, such as GPUs or processes, is an object too:
`=` gives the new rows, each as the place of an old one or in full, and any other field is a column with one
value per row. A column of 30 loads shrinks better than 30 objects with a load each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeGuard, cast

import msgspec

from gpubox.core.sample import Sample

Row = dict[str, object]
Rows = Sequence[Row]

ROWS = "="
"""The key of the new rows in the change of a table."""
GROWN = "+"
"""Ends the name of a field that has grown by a whole number."""
_IDENTITY = ("pid", "gpu", "gpu_instance", "index", "uuid", "mount", "code")
"""Fields that say whether two rows are of the same thing."""
_EXACT = 2**53
"""Below this, a float without a fraction is the same number as a whole one."""


class Misfit(Exception):
    """A change that does not fit the sample before it."""


def tree(sample: Sample) -> Row:
    """Return a sample as objects, lists and plain values; 93.0 becomes 93, which decodes to the same."""
    return cast("Row", _plain(msgspec.to_builtins(sample)))


def _plain(value: object) -> object:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        return {key: _plain(one) for key, one in pairs.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in cast("Sequence[object]", value)]
    return value


def change(old: Row, new: Row) -> Row:
    """Return what `changed` needs to make `new` of `old`; both have the same fields."""
    found: Row = {}
    for key, value in new.items():
        before = old[key]
        if value == before and type(value) is type(before):
            continue
        if _is_object(value) and _is_object(before):
            found[key] = change(before, value)
        elif _is_table(value) and _is_table(before):
            found[key] = _table_change(before, value)
        else:
            _note(found, key, (before,), (value,), lambda values: values[0])
    return found


def _table_change(old: Rows, new: Rows) -> Row:
    found: Row = {}
    places = {_identity(row): place for place, row in enumerate(old)}
    chosen = [places.pop(_identity(row), None) for row in new]
    if chosen != list(range(len(old))):
        found[ROWS] = [row if place is None else place for place, row in zip(chosen, new, strict=True)]
    before = [row if place is None else old[place] for place, row in zip(chosen, new, strict=True)]
    for field in new[0]:
        olds, news = [row[field] for row in before], [row[field] for row in new]
        if olds != news:
            _note(found, field, olds, news, list)
    return found


def _note(
    found: Row,
    key: str,
    old: Sequence[object],
    new: Sequence[object],
    form: Callable[[Sequence[object]], object],
) -> None:
    """Add the new value or values of a field: as growth where all are whole numbers."""
    numbers = [
        (one, other) for one, other in zip(old, new, strict=True) if _is_whole(one) and _is_whole(other)
    ]
    if len(numbers) == len(new):
        found[f"{key}{GROWN}"] = form([other - one for one, other in numbers])
    else:
        found[key] = form(new)


def changed(old: Row, by: Mapping[str, object]) -> Row:
    """Return the objects of the next sample; raises Misfit for a change of something else."""
    new = dict(old)
    for key, value in by.items():
        name = key.removesuffix(GROWN)
        before = old.get(name)
        if name != key:
            new[name] = _sum(before, value)
        elif _is_object(before) and _is_object(value):
            new[name] = changed(before, value)
        elif isinstance(before, list) and _is_object(value):
            new[name] = _table_changed(cast("list[object]", before), value)
        else:
            new[name] = value
    return new


def _table_changed(old: Sequence[object], by: Mapping[str, object]) -> list[Row]:
    places = by.get(ROWS, range(len(old)))
    if not isinstance(places, (list, range)):
        raise Misfit
    left = dict(enumerate(old))
    rows = [dict(_row(left, place)) for place in cast("Sequence[object]", places)]
    for key, column in by.items():
        if key == ROWS:
            continue
        if not isinstance(column, list) or len(values := cast("list[object]", column)) != len(rows):
            raise Misfit
        name = key.removesuffix(GROWN)
        for row, value in zip(rows, values, strict=True):
            row[name] = value if name == key else _sum(row.get(name), value)
    return rows


def _row(left: dict[int, object], place: object) -> Row:
    """Return an old row, each only once: repeated rows would fill the memory."""
    row = left.pop(place, None) if _is_whole(place) else place
    if not _is_object(row):
        raise Misfit
    return row


def _sum(before: object, growth: object) -> int:
    if not _is_whole(before) or not _is_whole(growth):
        raise Misfit
    return before + growth


def _identity(row: Row) -> tuple[object, ...]:
    return tuple(row.get(field) for field in _IDENTITY)


def _is_object(value: object) -> TypeGuard[Row]:
    return isinstance(value, dict)


def _is_table(value: object) -> TypeGuard[list[Row]]:
    """Return whether a value is a list of at least one object."""
    return isinstance(value, list) and any(map(_is_object, cast("list[object]", value)[:1]))


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
