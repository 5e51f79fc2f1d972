"""The input below a list or log for the words to filter or search by."""

from __future__ import annotations

from gpubox.ui.widgets.line_input import LineInput


class FilterInput(LineInput):
    """An input that is hidden until it gets the class -shown."""

    def __init__(self, *, placeholder: str, id: str | None = None, select_on_focus: bool = False) -> None:
        super().__init__(placeholder=placeholder, id=id, select_on_focus=select_on_focus)

    DEFAULT_CSS = """
    FilterInput {
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
