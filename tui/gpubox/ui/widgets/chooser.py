"""A window with a list of choices, of which one is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_title

T = TypeVar("T")


class ChoiceList(OptionList, inherit_bindings=False):
    """The choices; its keys are in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose", tooltip="Choose the marked line"),
        Binding("up", "cursor_up", "Move", key_display="↑↓", tooltip="Mark the line above"),
        Binding("down", "cursor_down", "Move", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]


class Chooser(ModalScreen[T | None], Generic[T]):
    """Its result is the chosen value, or None. A subclass binds what closes it, and says how wide it is."""

    DEFAULT_CSS = """
    Chooser {
        align: center middle;
        & > OptionList {
            max-width: 96%;
            height: auto;
            max-height: 90%;
            border: round $border;
            background: $surface;
            &:focus { border: round $border; }
        }
    }
    """

    def __init__(self, title: str, choices: Sequence[tuple[Content, T]]) -> None:
        super().__init__()
        self._title = title
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Compose the list."""
        chooser = ChoiceList(*(Option(words) for words, _ in self._choices), markup=False)
        set_title(chooser, self._title)
        yield chooser
        yield KeyFooter()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the choice."""
        self.dismiss(self._choices[event.option_index][1])
