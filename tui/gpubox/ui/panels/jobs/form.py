"""The job form: one field per row, its meaning beside it, and the choices below."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gpubox.core.job import JobSpec
from gpubox.core.sanitize import clean
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line, Span, cut, length, spread
from gpubox.ui.error_boundary import guarded
from gpubox.ui.form_keys import BACK, NEXT
from gpubox.ui.panels.jobs.draft import Draft
from gpubox.ui.panels.jobs.fields import Choice, Context, FieldError, choices, fields
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.line_input import CommandInput, LineInput
from gpubox.ui.widgets.secret_input import SecretInput
from gpubox.ui.widgets.titles import set_title

_WRITTEN = ("command", "name", "variables")
"""Fields in which typing continues the text; in the others it replaces it."""
_KINDS: Mapping[str, type[LineInput]] = {"command": CommandInput, "variables": SecretInput}


class JobForm(ModalScreen[JobSpec | None]):
    """Its result is the spec of a job, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "Start", id="new-job.start", tooltip="Start or queue it", priority=True),
        replace(NEXT, id="new-job.next", tooltip="Go to the next field", show=True),
        replace(BACK, id="new-job.back", tooltip="Go back"),
        Binding("up", "choose(-1)", "Choose", id="new-job.up", tooltip="Take the one above", priority=True,
            key_display="↑↓"),
        Binding("down", "choose(1)", "Choose", id="new-job.down", tooltip="Take the one below",
            priority=True, show=False),
        Binding("escape", "dismiss(None)", "Close", id="new-job.close", tooltip="Start nothing"),
    ]  # fmt: skip

    def __init__(
        self,
        context: Context,
        begin: JobSpec | None,
        title: str,
        learn: Callable[[], Awaitable[Context]] | None = None,
    ) -> None:
        """Set the known facts of the box, the initial job, and how to learn more meanwhile."""
        super().__init__()
        self._learn = learn
        self._known = context
        self._heading = title
        self._draft = Draft(context, begin)
        self._inputs: dict[str, LineInput] = {}
        self._notes: dict[str, Static] = {}
        self._offered: Sequence[Choice] = ()
        self._at = -1
        self._typed = ""
        self._choosing = False
        self._choices = LineView(self._draw_choices, id="choices")
        self._choices.can_focus = False

    def compose(self) -> ComposeResult:
        """Compose a row for each field that the box supports."""
        with Vertical(id="job-form") as frame:
            set_title(frame, self._heading, self._known.box)
            for field in fields(self._known):
                kind = _KINDS.get(field.name, LineInput)
                self._inputs[field.name] = kind(
                    self._draft.texts[field.name],
                    id=f"field-{field.name}",
                    placeholder=field.example,
                    select_on_focus=field.name not in _WRITTEN,
                    compact=True,
                )
                self._notes[field.name] = Static("", classes="note", markup=False)
                with Horizontal(classes="field"):
                    yield Static(field.label, classes="label", markup=False)
                    yield self._inputs[field.name]
                    yield self._notes[field.name]
            yield self._choices
        yield KeyFooter()

    def on_mount(self) -> None:
        """Focus the command."""
        self._inputs["command"].focus()
        for name in self._inputs:
            self._explain(name)

        if self._learn is not None:
            self.run_worker(guarded(self, self._know(self._learn)), exit_on_error=False)

    async def _know(self, learn: Callable[[], Awaitable[Context]]) -> None:
        """Apply the box's answers while the user is already typing; edited fields stay."""
        self._known = await learn()
        for name, field in self._inputs.items():
            self._draft.texts[name] = field.value  # messages of typed keys may still be queued
        for name in self._draft.learn(self._known):
            if name in self._inputs:
                with self.prevent(LineInput.Changed):
                    self._inputs[name].value = self._draft.texts[name]
        for name in self._inputs:
            self._explain(name)
        self._offer()

    @property
    def _field(self) -> str:
        """The focused field."""
        return next((name for name, field in self._inputs.items() if field.has_focus), "command")

    @on(LineInput.Changed)
    def _changed(self, event: LineInput.Changed) -> None:
        name = next((name for name, field in self._inputs.items() if field is event.input), "")
        if not name:
            return
        self._draft.texts[name] = event.value
        if not self._choosing:
            self._typed, self._at = event.value, -1
            self._offer()
        for other in self._inputs:
            self._explain(other)

    @on(LineInput.Joined)
    def _pasted(self, event: LineInput.Joined) -> None:
        event.stop()  # the note is beside the field
        for name in self._inputs:
            self._explain(name)

    @on(events.DescendantFocus)
    def _moved(self) -> None:
        self._typed, self._at = self._inputs[self._field].value, -1
        for name, note in self._notes.items():
            note.set_class(name == self._field, "-here")
        self._offer()

    def _offer(self) -> None:
        """List the choices that match the text; all if it is empty or a whole choice."""
        offered = choices(self._field, self._known)
        words = self._typed.strip().lower()
        fits = [one for one in offered if words in f"{one.text} {one.title} {one.words}".lower()]
        whole = not words or any(one.text == self._typed.strip() for one in offered)
        self._offered = offered if whole else fits
        self._choices.redraw()

    def _explain(self, name: str) -> None:
        """Show the meaning or the error beside a field; an empty command is not an error yet."""
        try:
            meaning = self._draft.meaning(name)
            words, style = self._inputs[name].note or meaning, "$foreground-muted"
        except FieldError as wrong:
            begun = bool(self._inputs[name].value.strip())
            words, style = wrong.words, "$text-error" if begun else "$foreground-muted"
        self._notes[name].update(Content.styled(words, style))

    def _draw_choices(self, width: int, height: int) -> Sequence[Line]:
        out: list[Line] = []
        first = max(0, min(self._at - height + 2, len(self._offered) - height))
        for number, choice in enumerate(self._offered[first : first + height], start=first):
            here = number == self._at
            text = cut(choice.title or clean(choice.text), max(10, width * 2 // 3))
            left: Line = (
                Span("▸ " if here else "  ", "accent"),
                Span(text or "(empty)", "accent" if here else "text"),
            )
            words = cut(clean(choice.words), max(0, width - length(left) - 2))
            out.append(spread(left, (Span(words, "muted"),), width))
        return out

    def action_choose(self, step: int) -> None:
        """Take the next choice; the typed text comes before the first."""
        if not self._offered:
            return
        self._at = max(-1, min(self._at + step, len(self._offered) - 1))
        field = self._inputs[self._field]
        self._choosing = True
        with self.prevent(LineInput.Changed):
            field.value = self._offered[self._at].text if self._at >= 0 else self._typed
        field.cursor_position = len(field.value)
        self._draft.texts[self._field] = field.value
        if self._at >= 0 and (filled := self._draft.take(self._field, self._offered[self._at])):
            for name in filled:
                if name in self._inputs:
                    with self.prevent(LineInput.Changed):
                        self._inputs[name].value = self._draft.texts[name]
        self._choosing = False
        for name in self._inputs:
            self._explain(name)
        self._choices.redraw()

    def action_start(self) -> None:
        """Close with the job, or focus the wrong field and show its error."""
        for name, field in self._inputs.items():
            self._draft.texts[name] = field.value
        try:
            self.dismiss(self._draft.spec())
        except FieldError as wrong:
            self._inputs[wrong.field].focus()
            self._notes[wrong.field].update(Content.styled(wrong.words, "$text-error"))
