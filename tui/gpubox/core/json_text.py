"""JSON for a terminal or a file: everything that a terminal could act on is escaped."""

from __future__ import annotations

import re

import msgspec

_NOT_ASCII = re.compile(r"[^\n\x20-\x7e]")
_JOINERS = "\u200c\u200d"
"""Joiners inside emoji and several scripts; harmless to a terminal."""


def json_text(value: object, indent: int = 0) -> str:
    r"""Return a value as JSON that holds the same strings, on one line, or indented by so many blanks.

    msgspec escapes C0 controls only, as the standard asks (RFC 8259, section 7). C1 controls, which some
    terminals obey like escape sequences, bidirectional marks and whatever else is not printable become
    `\uXXXX` here.
    """
    encoded = msgspec.json.encode(value)
    if indent:
        encoded = msgspec.json.format(encoded, indent=indent)
    return _NOT_ASCII.sub(_escaped, encoded.decode())


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() or character in _JOINERS:
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
