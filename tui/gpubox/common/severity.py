"""The severity of findings."""

from __future__ import annotations

from enum import IntEnum


class Severity(IntEnum):
    """The level of a finding; its name in lower case is the word in JSON."""

    INFO = 0
    """Worth knowing, nothing is wrong: idle, or running at its power limit."""
    WARNING = 1
    """Look at it soon: nearly full, warm, or held back by somebody's setting."""
    CRITICAL = 2
    """Act now: too hot, full, broken or lost."""

    @property
    def word(self) -> str:
        """The word for people and programs: `info`, `warning` or `critical`."""
        return self.name.lower()
