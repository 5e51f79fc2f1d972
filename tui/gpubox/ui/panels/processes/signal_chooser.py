"""Questions before an action on a process: which signal, the gentlest first, and whether to go on."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from gpubox.boxes.processes import SIGNALS
from gpubox.core.prompts import Question, QuestionKind
from gpubox.core.sample import Process
from gpubox.core.sanitize import clean
from gpubox.ui.panels.processes.table import program
from gpubox.ui.widgets.chooser import Chooser


class SignalChooser(Chooser[str]):
    """Its result is the name of the chosen signal, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Close", id="signals.close", tooltip="Send nothing")
    ]
    DEFAULT_CSS = "SignalChooser > OptionList { width: 72; }"

    def __init__(self, about: str) -> None:
        super().__init__(
            f"Signal for {about}",
            [
                (Content.assemble((f"{name:<6}", "bold"), (text, "$text-muted")), name)
                for name, text in SIGNALS.items()
            ],
        )


def let_pass(box: str, process: Process) -> Question:
    """Return the question whether jobs may use the GPU of a process."""
    who = clean(process.user, 32) or "somebody"
    return Question(
        about=box,
        title=f"Let jobs ignore {process.pid} {program(process)}?",
        text=f"It is on GPU {process.gpu}, run by {who}. Jobs that wait for a free GPU may start beside it.",
        kind=QuestionKind.YES_NO,
    )
