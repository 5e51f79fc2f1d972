"""An input for variables that masks the values of secrets."""

from __future__ import annotations

import re

from rich.text import Text

from gpubox.boxes.jobs.spec_parsing import hidden
from gpubox.ui.widgets.line_input import LineInput

_VALUE = re.compile(r"""([A-Za-z_]\w*)=("[^"]*"?|'[^']*'?|\S*)""")
_QUOTES = "\"'"


def masked(text: str) -> str:
    """Return variables with the values of secrets masked, at the same length."""
    return _VALUE.sub(
        lambda one: f"{one[1]}={'•' * len(one[2])}" if hidden({one[1]: one[2].strip(_QUOTES)}) else one[0],
        text,
    )


class SecretInput(LineInput):
    """Holds `NAME=value NAME2="a value"`; draws dots in place of secrets, even while they are typed."""

    @property
    def _value(self) -> Text:
        """The drawn text; it has as many cells as the value, so that the cursor is right."""
        return Text(masked(self.value), no_wrap=True, overflow="ignore", end="")
