"""One panel alone on the screen, in whatever room a test gives it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from syrupy.assertion import SnapshotAssertion
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from gpubox.boxes.box import Box
from gpubox.config.settings import Settings
from gpubox.core.prompts import Question
from gpubox.core.sample import Sample
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.modal_guard import ModalGuard
from gpubox.ui.panel import Panel
from gpubox.ui.theme import GPUBOX
from tests.samples import filled
from tests.ui.conftest import Picture
from tests.ui.fakes import make_box

P = TypeVar("P", bound=Panel)


class Stage(ModalGuard, Generic[P]):
    """An app of one panel; it answers questions from a list, as a user would."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: $background; }
    Panel { border: round $border-blurred; padding: 0 1; height: 1fr; }
    Panel:focus-within { border: round $border; }
    KeyFooter { dock: bottom; height: 1; }
    """

    def __init__(self, panel: P, answers: Sequence[str | None] = ()) -> None:
        super().__init__()
        self.panel = panel
        self.asked: list[Question] = []
        self._answers = list(answers)
        self.register_theme(GPUBOX)
        self.theme = "gpubox"
        self.animation_level = "none"

    def compose(self) -> ComposeResult:
        yield self.panel

    async def ask(self, question: Question) -> str | None:
        self.asked.append(question)
        return self._answers.pop(0)

    @property
    def text(self) -> str:
        """What the panel's visible lists and cards say, scrolled out parts included."""
        shown = [lines.plain for lines in self.panel.query(LineView) if lines.display]
        return "\n".join([*shown, self.panel.border_subtitle or ""])

    @property
    def window(self) -> str:
        """What the window in front says."""
        return "\n".join(lines.plain for lines in self.screen.query(LineView))

    def painted(self) -> str:
        """Return every character that is on the screen now, line by line."""
        width, height = self.size
        lines = self.screen._compositor.render_strips()
        assert len(lines) == height
        assert all(line.cell_length == width for line in lines)
        return "\n".join(line.text for line in lines)


@asynccontextmanager
async def on_stage(
    panel_class: type[P],
    sample: Sample | None,
    size: tuple[int, int] = (80, 24),
    *,
    settings: Settings | None = None,
    answers: Sequence[str | None] = (),
    box: Box | None = None,
) -> AsyncGenerator[tuple[Stage[P], Pilot[None]]]:
    """Put a panel on the stage with a reading and ten minutes of history before it."""
    box = box or make_box(sample)
    if sample is not None:
        box.history = filled(sample)
    stage = Stage(panel_class(box, settings or Settings()), answers)
    async with stage.run_test(size=size) as pilot:
        stage.panel.sample = sample
        stage.panel.take_focus()
        await pilot.pause()
        yield stage, pilot


def same_picture(stage: App[None], snapshot: SnapshotAssertion) -> None:
    """Compare the screen with its picture; `pytest --snapshot-update` draws it again."""
    for field in stage.screen.query(Input):
        field.cursor_blink = False
    picture = stage.export_screenshot(title="gpubox-tui", simplify=True)
    assert picture == snapshot.use_extension(Picture)
