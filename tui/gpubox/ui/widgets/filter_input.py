"""The input below a list or log for words to filter or search by."""

from __future__ import annotations

from gpubox.ui.widgets.line_input import LineInput


class FilterInput(LineInput):
    """An input that is hidden until it is used."""

    def __init__(self, *, placeholder: str, id: str | None = None, select_on_focus: bool = False) -> None:
        super().__init__(placeholder=placeholder, id=id, select_on_focus=select_on_focus)

    @property
    def shown(self) -> bool:
        """Whether it is shown."""
        return self.has_class("-shown")

    def ask(self) -> None:
        """Show it, and take the focus."""
        self.add_class("-shown")
        self.focus(scroll_visible=False)

    def keep(self) -> None:
        """Hide it if it has no words."""
        self.set_class(bool(self.value.strip()), "-shown")

    def drop(self) -> None:
        """Empty and hide it."""
        self.value = ""
        self.remove_class("-shown")

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
