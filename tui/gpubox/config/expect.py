"""Converts one raw value to the type of its setting, or says what was expected."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from typing import cast

import msgspec
from msgspec import inspect

from gpubox.core.sanitize import clean

_FORMS = {
    r"^[^\s/]+$": "1 to 64 characters without a blank or a slash",
    r"^[a-z0-9][a-z0-9-]*$": "1 to 64 small letters, digits and dashes",
    r"^[A-Za-z0-9_-]+(?!\n)$": "1 to 64 letters, digits, dashes and underscores",
    r"^[1-9][0-9]{2,4}x[1-9][0-9]{2,4}$": 'width and height, such as "1600x900"',
    r"^[^\x00-\x1f]*$": "text on one line, of 500 characters at most",
}
"""The patterns of settings.py in words."""


class InvalidSetting(Exception):
    """An invalid value; its text says what was expected, and the closest valid value if there is one."""


def value_of(raw: object, kind: object, *, text: bool = False) -> object:
    """Return `raw` as a value of the annotation `kind`.

    With `text` the value comes from the environment or the command line: `2`, `true` and `80,90` are
    read as the number, the truth value and the pair, and so is `[80, 90]`. Raises Wrong.
    """
    about = inspect.type_info(kind)
    if text and isinstance(raw, str) and isinstance(about, inspect.TupleType | inspect.VarTupleType):
        raw = _list_of(raw)
    try:
        value: object = msgspec.convert(raw, kind, strict=not text)
    except msgspec.ValidationError as error:
        raise InvalidSetting(_expected(about, raw)) from error
    if isinstance(value, tuple) and not _in_order(cast("tuple[object, ...]", value)):
        raise InvalidSetting(_expected(about, raw))
    return cast("object", value)


def _list_of(text: str) -> list[object]:
    """Return the items of `one,two`, or of the list as it would stand in the settings file."""
    if text.strip().startswith("["):
        with suppress(tomllib.TOMLDecodeError):
            return tomllib.loads(f"list = {text.strip()}")["list"]
    return [part.strip() for part in text.split(",") if part.strip()]


def _in_order(pair: tuple[object, ...]) -> bool:
    numbers = [item for item in pair if isinstance(item, (int, float))]
    return numbers == sorted(numbers)


def _expected(about: inspect.Type, raw: object) -> str:
    if isinstance(about, inspect.BoolType):
        return "expected true or false"
    if isinstance(about, (inspect.IntType, inspect.FloatType)):
        return f"expected {_number(about)}"
    if isinstance(about, inspect.LiteralType):
        choices = [str(choice) for choice in about.values]
        return f"expected one of {', '.join(choices)}{near(str(raw), choices)}"
    if isinstance(about, inspect.TupleType):
        item = about.item_types[0]
        one = _number(item) if isinstance(item, inspect.FloatType) else "a number"
        return f"expected [warn, alarm]: each {one}, warn not above alarm"
    if isinstance(about, inspect.VarTupleType):
        item = about.item_type
        form = _FORMS.get(item.pattern or "", "") if isinstance(item, inspect.StrType) else ""
        return f'expected a list of texts in quotes, such as ["one", "two"]{form and f", each {form}"}'
    if isinstance(about, inspect.DictType):
        return 'expected a table of texts in quotes, such as { name = "text" }'
    if isinstance(about, inspect.StrType) and about.pattern in _FORMS:
        return f"expected {_FORMS[about.pattern]}"
    if isinstance(about, inspect.StrType) and about.min_length:
        return "expected text in quotes that is not empty"
    return "expected text in quotes"


def _number(about: inspect.IntType | inspect.FloatType) -> str:
    noun = "a whole number" if isinstance(about, inspect.IntType) else "a number"
    return noun if about.ge is None or about.le is None else f"{noun} from {about.ge:g} to {about.le:g}"


def near(word: str, words: list[str]) -> str:
    """Return ` (did you mean `x`?)` when one of `words` is close to `word`, else nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return f" (did you mean `{found[0]}`?)" if found else ""


def shown(raw: object) -> str:
    """Return a raw value short and safe to draw, as TOML would write it."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, str):
        return f'"{clean(raw, 40)}"'
    return clean(repr(raw), 40)
