"""The words of a rule where there is no record to take values from: in documents and in other programs."""

from __future__ import annotations

import re
from typing import Callable

_NAME = re.compile(r"\{(\w+)\}")


def fill(template: str, value: Callable[[str], str]) -> str:
    """Return a template with each name in braces replaced by what `value` returns for it."""
    return _NAME.sub(lambda match: value(match[1]), template)
