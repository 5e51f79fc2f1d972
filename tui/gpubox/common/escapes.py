"""Escape sequences of terminals in the bytes of a log: a search passes over them at both ends."""

from __future__ import annotations

import re

# None goes on over the end of its line.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-9:;<=>? -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]*[0-Z\\^-~])")


def without_escapes(lines: bytes) -> bytes:
    """Return lines without colors and other sequences, which would tear words apart."""
    return _ESCAPES.sub(b"", lines) if b"\x1b" in lines else lines
