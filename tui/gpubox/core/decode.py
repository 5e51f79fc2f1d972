"""Decodes a line of the probe's output into a clean Sample."""

from __future__ import annotations

from functools import cache
from typing import TypeVar, cast

import msgspec

from gpubox.core.bounds import Whole
from gpubox.core.errors import ProbeError, ProbeTooNew
from gpubox.core.json_bytes import Unreadable, decode_json
from gpubox.core.sample import WIRE, Sample
from gpubox.core.sanitize import LONGEST, clean, clean_bytes

LINE_LIMIT = 4 * 1024 * 1024
"""A longer line is no sample: 64 GPUs with 1,000 processes take 400 kB."""

_STRIDE = (LONGEST + 1) // 2
"""Bytes searched together for a quote: a string over the limit covers at least one such stretch."""
_DECODER = msgspec.json.Decoder(Sample)

V = TypeVar("V")


class _Version(msgspec.Struct):
    """The one field that every line format has."""

    v: Whole = 0


_VERSION_DECODER = msgspec.json.Decoder(_Version)


def decode(line: bytes) -> Sample:
    """Return the sample of one line, all of its text safe to draw and all of its numbers within bounds.

    Raises ProbeTooNew when it comes from a probe whose line format is newer than this program's, and
    ProbeError when the line is cut, is no JSON, or has another shape.
    """
    try:
        sample = decode_json(line, _DECODER)
    except Unreadable as error:
        _refuse_newer(_version(line))
        raise ProbeError(
            "Garbage on the channel",
            f"A line of {len(line)} bytes is no sample ({error}): {clean_bytes(line, 60)}",
            "It is skipped; if it stays, something on the box writes into the probe's output",
        ) from error
    _refuse_newer(sample.v)
    if not sample.time:  # every field has a default, so any JSON object would pass for an empty box
        raise ProbeError(
            "Garbage on the channel",
            f"A line of {len(line)} bytes is JSON but no sample: {clean_bytes(line, 60)}",
            "It is skipped; if it stays, something on the box writes into the probe's output",
        )
    return sample if _harmless(line) else _cleaned(sample)


def _version(line: bytes) -> int:
    try:
        return decode_json(line, _VERSION_DECODER).v
    except Unreadable:
        return 0


def _refuse_newer(version: int) -> None:
    if version > WIRE:
        raise ProbeTooNew(
            "A probe of another version",
            f"It speaks line format {version}, this program knows {WIRE}",
            "Update gpubox-tui on this machine",
        )


def _harmless(line: bytes) -> bool:
    """Return whether a line needs no cleaning: 15 us for eight GPUs; checking each string takes 150.

    The only escapes of plain text are the quote and the backslash, common in command lines; any other
    escape, any byte over 126 and any text over the limit takes the slow path.
    """
    if not line.isascii() or b"\x7f" in line:
        return False
    if b"\\" in line:
        line = line.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        if b"\\" in line:
            return False
    return not _holds_long_text(line)


def _holds_long_text(line: bytes) -> bool:
    """Return whether a string is over the limit; the line holds no escaped quotes.

    Searching in stretches takes 5 us; a regular expression takes 250.
    """
    at = quotes = counted = 0
    while at < len(line):
        if line.find(b'"', at, at + _STRIDE) >= 0:
            at += _STRIDE
            continue
        begin = line.rfind(b'"', 0, at) + 1
        end = line.find(b'"', at)
        at = end if end >= 0 else len(line)
        if at - begin > LONGEST:
            quotes += line.count(b'"', counted, begin)
            counted = begin
            if quotes % 2:  # an odd number before it: inside a text, not the load of 200 cores
                return True
    return False


@cache
def _fields_with_text(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the names of a struct's fields that hold text at any depth."""
    hints = ((field.name, str(field.type)) for field in msgspec.structs.fields(kind))
    return tuple(name for name, hint in hints if "str" in hint or "gpubox" in hint)


def _cleaned(value: V) -> V:
    """Rebuild a value with every string in it cleaned."""
    if isinstance(value, str):
        return cast("V", clean(value))
    if isinstance(value, msgspec.Struct):
        changes = {
            field: new
            for field in _fields_with_text(type(value))
            if (new := _cleaned(old := getattr(value, field))) is not old
        }
        return cast("V", msgspec.structs.replace(value, **changes)) if changes else value
    if type(value) is tuple:
        items = cast("tuple[object, ...]", value)
        new_items = tuple(_cleaned(item) for item in items)
        same = all(new is old for new, old in zip(new_items, items, strict=True))
        return cast("V", items) if same else cast("V", new_items)
    if type(value) is dict:
        pairs = cast("dict[str, str]", value)
        return cast("V", {clean(key): clean(text) for key, text in pairs.items()})
    return value
