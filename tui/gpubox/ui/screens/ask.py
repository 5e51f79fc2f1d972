"""A question to the user, as a modal; escape declines."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from gpubox.core import core_dumps
from gpubox.core.prompts import Question, QuestionKind
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.titles import set_title


class AskScreen(ModalScreen[str | None]):
    """One question; its result is the answer, or None when the user declines.

    No text of it is parsed as markup: parts of it come from the box.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "OK", id="ask.submit", tooltip="Give the answer", priority=True),
        Binding("y", "answer('yes')", "Yes", id="ask.yes", tooltip="Say yes to the question"),
        Binding("n", "answer('no')", "No", id="ask.no", tooltip="Say no to the question"),
        Binding("left,right", "other", "Other button", id="ask.other", tooltip="Move over", show=False),
        Binding(
            "up",
            "scroll(-1)",
            "Scroll",
            id="ask.up",
            tooltip="Read what is above",
            key_display="↑↓",
            priority=True,
        ),
        Binding(
            "down",
            "scroll(1)",
            "Scroll",
            id="ask.down",
            tooltip="Read what is below",
            show=False,
            priority=True,
        ),
        Binding("escape", "decline", "Cancel", id="ask.decline", tooltip="Give no answer"),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question
        self.withdrawn = False
        """Whether the question was withdrawn; the screen then closes as soon as it is in front again."""

    def compose(self) -> ComposeResult:
        """Make the box with its title, the text, and a field or two buttons."""
        question = self.question
        with Vertical(id="question", classes="-danger" if question.danger else ""):
            with VerticalScroll(id="text"):
                yield Static(Content(question.text), markup=False)
            if question.kind is QuestionKind.YES_NO:
                with Horizontal(id="answers"):
                    yield Button("No", id="no", compact=True)
                    yield Button(
                        "Yes", id="yes", compact=True, variant="error" if question.danger else "default"
                    )
            else:
                with Vertical(id="reply"):
                    if question.prompt:
                        yield Static(Content(question.prompt), id="prompt", markup=False)
                    yield LineInput(password=question.kind is QuestionKind.SECRET, id="answer")
        yield KeyFooter()

    def on_mount(self) -> None:
        """Name the box in the border, and focus the harmless answer."""
        frame = self.query_one("#question")
        set_title(frame, self.question.title, self.question.about)
        if self.question.kind is QuestionKind.SECRET:
            core_dumps.forbid()
        if self.question.kind is QuestionKind.YES_NO:
            self.query_one("#no").focus()
        else:
            self.query_one(LineInput).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action fits the kind of question, and whether there is anything to scroll."""
        if action == "scroll":
            return self.query_one("#text").max_scroll_y > 0
        yes_no = self.question.kind is QuestionKind.YES_NO
        return action != "submit" if yes_no else action not in ("answer", "other")

    def on_resize(self) -> None:
        """Update the scroll keys: the text may no longer fit."""
        self.call_after_refresh(self.refresh_bindings)

    @on(events.ScreenResume)
    def _close_if_withdrawn(self) -> None:
        if self.withdrawn:
            self.dismiss(None)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id)

    def action_submit(self) -> None:
        """Return the typed answer."""
        self.dismiss(self.query_one(LineInput).value)

    def action_answer(self, answer: str) -> None:
        """Answer yes or no."""
        self.dismiss(answer)

    def action_other(self) -> None:
        """Move to the other button."""
        self.focus_next(Button)

    def action_scroll(self, step: int) -> None:
        """Scroll the text by `step` lines."""
        self.query_one("#text").scroll_relative(y=step, animate=False)

    def action_decline(self) -> None:
        """Decline."""
        self.dismiss(None)
