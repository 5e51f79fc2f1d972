"""What a fix would change, before it does: the diff, what it costs, and a yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from gpubox.boxes.checks.fix_plan import Plan
from gpubox.boxes.checks.fixes import GUARD
from gpubox.core.sanitize import clean
from gpubox.ui.draw.spans import EMPTY, Line, Span, Tone, cut, wrapped
from gpubox.ui.widgets.details import ScrolledLines
from gpubox.ui.widgets.key_footer import KeyFooter
from gpubox.ui.widgets.titles import set_title

_TONES: dict[str, Tone] = {"+": "util", "-": "alarm", "@": "muted", "$": "accent"}
"""The tone of a line of the diff, by its first character, which also tells them apart without colors."""
_TEXT = 400
"""Most characters of a line."""


class FixPreview(ModalScreen[bool]):
    """Shows a plan; closes with True when the user wants it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Make the change", id="fix.yes", tooltip="Change the box as shown"),
        Binding("escape,n,q", "answer(False)", "Leave it", id="fix.no", tooltip="Change nothing"),
    ]

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._lines = ScrolledLines(lambda width, _: draw_plan(plan, width))

    def compose(self) -> ComposeResult:
        """Make the window."""
        frame = Vertical(self._lines, id="fix")
        set_title(frame, f"{self._plan.fix.title}?", f"{self._plan.check.id} · y changes it · esc leaves it")
        yield frame
        yield KeyFooter()

    def on_mount(self) -> None:
        """Let the diff be scrolled."""
        self._lines.focus()

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)


def draw_plan(plan: Plan, width: int) -> Sequence[Line]:
    """Return what a fix costs, how it is guarded, and the diff."""
    lines = wrapped(plan.fix.cost, width)
    if plan.fix.sshd is not None:
        guard = (
            "First a login through a second sshd with the new configuration is tried. Then the change is "
            f"made. The box takes it back by itself after {GUARD} s, unless another new login has worked."
        )
        lines += wrapped(guard, width, "muted")
    for warning in plan.planned.warnings:
        lines += wrapped(f"! {clean(warning, _TEXT)}", width, "warn")
    diff = [clean(line, _TEXT) for line in plan.diff()]
    lines.append(EMPTY)
    lines += [(Span(cut(line, width), _TONES.get(line[:1], "text")),) for line in diff]
    return lines if diff else [*lines, (Span("Nothing would change", "muted"),)]
