"""What is pasted into a field is all there, it is said what became of its lines, and the cursor is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from gpubox.boxes.jobs.spec_parsing import argv_of
from gpubox.core.prompts import Question, QuestionKind
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.screens.picker import PickerScreen
from gpubox.ui.widgets.line_input import CommandInput, LineInput
from tests.ui.fakes import make_app, until
from tests.ui.jobs import FakeJobs
from tests.ui.panels.jobs.test_form import form_of

TRAINING = "python train.py \\\n    --epochs 30 \\\n    --lr 1e-3\n"
SCRIPT = "cd ~/cats\npython train.py  # the small one\npython check.py"
QUOTED = "python -c 'import os\nprint(os.sep + \"\\\n\")'"


class Fields(App[None]):
    """One field of each kind, 30 cells wide, with what they said."""

    CSS: ClassVar[str] = "LineInput { width: 30; border: none; height: 1; padding: 0; }"

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def compose(self) -> ComposeResult:
        yield LineInput(id="plain")
        yield CommandInput(id="command")
        yield LineInput(id="secret", password=True)

    def on_line_input_joined(self, event: LineInput.Joined) -> None:
        self.said.append(event.words)


async def paste(pilot: Pilot[None], field: LineInput, text: str) -> None:
    """Paste as a terminal does it: to whatever has the focus."""
    field.focus()
    await pilot.pause()
    field.post_message(events.Paste(text))
    await pilot.pause()


@pytest.mark.parametrize(
    ("kind", "text", "held", "said"),
    [
        ("plain", "one", "one", []),
        ("plain", "one\n", "one", []),
        ("plain", "numpy\r  scipy\r\n\r\ntorch\n", "numpy scipy torch", ["3 lines joined with spaces"]),
        ("plain", "\n\n", "", []),
        ("secret", " with a blank \n", " with a blank ", []),
        ("secret", "two\nlines", "", ["2 lines pasted into a secret; none was taken"]),
        ("command", "nvidia-smi -L\n", "nvidia-smi -L", []),
        ("command", TRAINING, "python train.py --epochs 30 --lr 1e-3", ["3 lines became one command"]),
        ("command", TRAINING.replace("\n", "\r"), "python train.py --epochs 30 --lr 1e-3", None),
        ("command", "ech\\\no hi", "echo hi", None),
        ("command", SCRIPT, SCRIPT, ["3 lines; a shell runs them in order"]),
        ("command", QUOTED, QUOTED, None),
        ("command", "cat <<'X'\na \\\nb\nX", "cat <<'X'\na \\\nb\nX", None),
    ],
)
async def test_no_pasted_line_vanishes(kind: str, text: str, held: str, said: Sequence[str] | None) -> None:
    app = Fields()
    async with app.run_test() as pilot:
        field = app.query_one(f"#{kind}", LineInput)
        await paste(pilot, field, text)
        assert field.value == held
        assert said is None or app.said == said
        await pilot.press("x")
        assert not field.note


def test_pasted_lines_are_run_as_a_script_and_one_command_without_a_shell() -> None:
    assert argv_of(SCRIPT) == ("/bin/sh", "-c", SCRIPT)
    assert argv_of("python train.py --epochs 30 --lr 1e-3")[0] == "python"


@pytest.mark.parametrize("kind", ["plain", "command", "secret"])
@pytest.mark.parametrize("key", ["", "home", "ctrl+v"])
async def test_the_cursor_stays_in_sight(kind: str, key: str) -> None:
    app = Fields()
    async with app.run_test() as pilot:
        field = app.query_one(f"#{kind}", LineInput)
        await paste(pilot, field, "python train.py " + "--word " * 20)
        if key == "ctrl+v":
            app.copy_to_clipboard("one\n" * 9 + "last" if kind != "secret" else "last")
        await pilot.press(*([key] if key else []))
        x = field.cursor_screen_offset.x - field.content_region.x
        assert 0 <= x <= 30  # behind the end Textual counts the cursor's own cell
        assert key == "home" or field.cursor_position == len(field.value)
        assert key != "ctrl+v" or field.value.endswith("last")


async def test_a_line_break_is_seen_and_takes_one_cell() -> None:
    app = Fields()
    async with app.run_test() as pilot:
        field = app.query_one("#command", LineInput)
        await paste(pilot, field, "cd /a\nls\nls")
        assert "cd /a↵ls↵ls" in "".join(segment.text for segment in field.render_line(0))
        assert field.cursor_screen_offset.x - field.content_region.x == len("cd /a↵ls↵ls") + 1


async def test_the_form_says_beside_the_command_what_became_of_the_lines() -> None:
    async with form_of(FakeJobs(), size=(120, 40)) as (app, pilot, _):
        field = app.screen.query_one(CommandInput)
        await paste(pilot, field, TRAINING)  # pyright: ignore[reportArgumentType]
        note = app.screen.query(".note").first()
        assert "3 lines became one command" in str(note.render())
        assert not app._notifications
        await pilot.press("x")
        assert "3 lines" not in str(note.render())


async def test_a_field_without_a_note_is_spoken_for_by_a_toast() -> None:
    app: GpuBoxApp = make_app(picker=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await paste(pilot, app.screen.query_one(LineInput), "gpu1\ngpu2")  # pyright: ignore[reportArgumentType]
        assert [one.message for one in app._notifications] == ["2 lines joined with spaces"]
        app.push_screen(AskScreen(Question("xub", "Code", "Which?", QuestionKind.TEXT)))
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        assert isinstance(app.screen.query_one("#answer"), LineInput)
