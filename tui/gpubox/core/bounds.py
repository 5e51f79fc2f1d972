"""Bounded number types for everything that is decoded from a box."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Whole = Annotated[int, Meta(ge=-(2**63) + 1, le=2**63 - 1)]
"""A whole number that any formatter accepts: JSON has no bounds, and a number of 5,000 digits raises in
str()."""
Number = Annotated[float, Meta(ge=-1e18, le=1e18)]
"""A number that any formatter accepts."""
Moment = Annotated[float, Meta(ge=0, le=253_402_300_799)]
"""Seconds since the epoch, up to the year 9999: the last one that a calendar can show."""
Port = Annotated[int, Meta(ge=1, le=65535)]
"""A port of TCP."""

_DIGITS = 18
"""Decimal digits that fit a Whole."""


def whole(text: str) -> int | None:
    """Return ASCII digits, with or without a leading minus, as a Whole; None for anything else."""
    digits = text.removeprefix("-")
    if not 0 < len(digits) <= _DIGITS or not (digits.isascii() and digits.isdecimal()):
        return None
    return int(text)
