"""Decodes JSON from a box; every fault raises one error."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from gpubox.core.sanitize import clean

T = TypeVar("T")

_LONGEST = 120
"""Most characters of msgspec's message."""


class Unreadable(Exception):
    """Bytes are not the expected JSON; the text says where, and is safe to draw."""


def decode_json(data: bytes | str | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """Return decoded JSON.

    Raises Unreadable when it is not JSON, has another shape, is not UTF-8, or nests too deep: msgspec raises
    RecursionError for 500,000 open brackets.
    """
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = clean(str(error), _LONGEST)
    raise Unreadable(reason)  # outside of the handler: the answer may hold secrets, and a traceback quotes it
