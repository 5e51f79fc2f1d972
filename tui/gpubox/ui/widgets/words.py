"""The line under a list or a log for words that are looked for in it."""

from __future__ import annotations

from gpubox.ui.widgets.line_input import LineInput


class Words(LineInput):
    """Hidden until it is asked for, with the class -shown."""

    DEFAULT_CSS = """
    Words {
        dock: bottom;
        height: 1;
        border: none;
        padding: 0;
        background: $surface;
        display: none;
        &:focus { border: none; }
        &.-shown { display: block; }
    }
    """
