"""Asks which program of the box to run, and offers earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Static

from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.line_input import LineInput
from gpubox.ui.widgets.titles import set_title


class RunScreen(ModalScreen[str | None]):
    """An input for a command; its result is the command, or None when canceled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "past(1)", "Earlier", id="run.earlier", tooltip="Take the one that was run before"),
        Binding("down", "past(-1)", "Later", id="run.later", tooltip="Take the one that was run after it"),
        Binding("escape", "decline", "Close", id="run.close", tooltip="Run nothing"),
    ]

    def __init__(self, box: str, past: Sequence[str]) -> None:
        super().__init__()
        self._box = box
        self._past = list(past)
        self._at = -1

    def compose(self) -> ComposeResult:
        """Make the frame with its field."""
        with Vertical(id="question"):
            yield Static(
                Content("A program of the box whose windows open here, such as xterm or nvidia-settings"),
                id="prompt",
                markup=False,
            )
            yield LineInput(id="answer", placeholder="program", suggester=SuggestFromList(self._past))
        yield KeyFooter()

    def on_mount(self) -> None:
        """Name the box in the border."""
        frame = self.query_one("#question")
        set_title(frame, "Run a program", self._box)
        self.query_one(LineInput).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: browsing needs earlier commands."""
        return action != "past" or bool(self._past)

    @on(LineInput.Submitted)
    def _submitted(self, event: LineInput.Submitted) -> None:
        event.stop()
        self.dismiss(event.value if event.value.strip() else None)

    def action_past(self, step: int) -> None:
        """Browse earlier commands."""
        self._at = max(-1, min(self._at + step, len(self._past) - 1))
        field = self.query_one(LineInput)
        field.value = self._past[self._at] if self._at >= 0 else ""
        field.cursor_position = len(field.value)

    def action_decline(self) -> None:
        """Cancel."""
        self.dismiss(None)
