"""Questions before an action on a process: which signal, the gentlest first, and whether to go on."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from gpubox.boxes.processes import SIGNALS
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sample import Process
from gpubox.core.sanitize import clean
from gpubox.ui.panels.processes.table import program
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_title


class _Signals(OptionList, inherit_bindings=False):
    """The signals; its keys are in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose", tooltip="Choose the marked signal"),
        Binding("up", "cursor_up", "Move", key_display="↑↓", tooltip="Mark the signal above"),
        Binding("down", "cursor_down", "Move", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]


class SignalChooser(ModalScreen[str | None]):
    """Its result is the name of the chosen signal, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="signals.close", tooltip="Send nothing")
    ]
    DEFAULT_CSS = """
    SignalChooser {
        align: center middle;
        & > OptionList {
            width: 72;
            max-width: 96%;
            height: auto;
            max-height: 90%;
            border: round $border;
            background: $surface;
            &:focus { border: round $border; }
        }
    }
    """

    def __init__(self, about: str) -> None:
        super().__init__()
        self._about = about

    def compose(self) -> ComposeResult:
        """Compose the list."""
        options = [
            Option(Content.assemble((f"{name:<6}", "bold"), (text, "$text-muted")), id=name)
            for name, text in SIGNALS.items()
        ]
        chooser = _Signals(*options, markup=False)
        set_title(chooser, f"Signal for {self._about}")
        yield chooser
        yield KeyFooter()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the choice."""
        self.dismiss(event.option.id)


def let_pass(box: str, process: Process) -> Question:
    """Return the question whether jobs may use the GPU of a process."""
    who = clean(process.user, 32) or "somebody"
    return Question(
        about=box,
        title=f"Let jobs ignore {process.pid} {program(process)}?",
        text=f"It is on GPU {process.gpu}, run by {who}. Jobs that wait for a free GPU may start beside it.",
        kind=QuestionKind.YES_NO,
    )
