"""From a line of the wire to a clean Sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from gpubox.core.errors import ProbeError
from gpubox.core.sample import WIRE, Sample
from gpubox.core.text import LONGEST, clean, clean_bytes

LINE_LIMIT = 4 * 1024 * 1024
"""A longer line is no sample: 64 GPUs with 1,000 processes take 400 kB."""

_LONG = re.compile(rb'[^"]{%d}' % (LONGEST + 1))
_DECODER = msgspec.json.Decoder(Sample)

V = TypeVar("V")


def decode(line: bytes) -> Sample:
    """Return the sample of one line, all of its text safe to draw.

    Raises ProbeError when the line is cut, is no JSON, has another shape, or comes from a probe whose
    line format is newer than this program's.
    """
    try:
        sample = _DECODER.decode(line)
    except msgspec.MsgspecError as error:
        raise ProbeError(
            "Garbage on the channel",
            f"A line of {len(line)} bytes is no sample ({clean(str(error), 120)}): {clean_bytes(line, 60)}",
            "It is skipped; if it stays, something on the box writes into the probe's output",
        ) from error
    if sample.v > WIRE:
        raise ProbeError(
            "A probe of another version",
            f"It speaks line format {sample.v}, this program knows {WIRE}",
            "Update gpubox-tui on this machine",
        )
    if line.isascii() and b"\\" not in line and not _LONG.search(line):
        return sample  # nothing in it that a terminal acts on, and no text over the limit: 30 us against 400
    return _cleaned(sample)


def _cleaned(value: V) -> V:
    """Rebuild a value with every string in it cleaned."""
    if isinstance(value, str):
        return cast("V", clean(value))
    if isinstance(value, msgspec.Struct):
        changes = {
            field: new
            for field in value.__struct_fields__
            if (new := _cleaned(old := getattr(value, field))) is not old
        }
        return cast("V", msgspec.structs.replace(value, **changes)) if changes else value
    if type(value) is tuple:
        items = cast("tuple[object, ...]", value)
        new_items = tuple(_cleaned(item) for item in items)
        same = all(new is old for new, old in zip(new_items, items, strict=True))
        return cast("V", items) if same else cast("V", new_items)
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, str]", value)
        return cast("V", {clean(key): clean(text) for key, text in pairs.items()})
    return value
