"""Questions as modals: one at a time, no by default, nothing secret on the screen."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Iterator

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from gpubox.core.prompts import Question, QuestionKind
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.status_bar import StatusBar
from gpubox.ui.widgets.key_footer import KeyFooter
from tests.samples import training_box
from tests.ui.fakes import Clock, make_app, make_box, until

pytestmark = pytest.mark.usefixtures("plain_panels")

KEY = Question(
    "xub",
    "New host key",
    "xub (10.0.0.7:22) was never seen before.\n\nED25519 SHA256:8vhX2b6U2yO1dZ9qQmJtB6fPq4cX0a7sLw [b]x\n\n"
    "Is that the key of your box?",
    QuestionKind.YES_NO,
)
CODE = Question(
    "xub", "One more step", "The box wants a code.", QuestionKind.TEXT, prompt="Verification code:"
)
SECRET = Question(
    "xub", "Passphrase", "~/.ssh/id_ed25519 is locked.", QuestionKind.SECRET, prompt="Passphrase:"
)
STOP = Question(
    "xub", "Stop it?", "SIGTERM goes to 41233 python train.py of ada.", QuestionKind.YES_NO, danger=True
)


async def asked(pilot: Pilot[None], question: Question) -> asyncio.Task[str | None]:
    app = pilot.app
    assert isinstance(app, GpuBoxApp)
    task = asyncio.create_task(app.ask(question))
    await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.screen.focused)
    return task


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["enter"], "no"),
        (["n"], "no"),
        (["y"], "yes"),
        (["right", "enter"], "yes"),
        (["tab", "enter"], "yes"),
        (["escape"], None),
    ],
)
async def test_a_yes_no_question_is_answered_by_keys(keys: list[str], answer: str | None) -> None:
    async with make_app(make_box()).run_test() as pilot:
        task = await asked(pilot, KEY)
        await pilot.press(*keys)
        assert await asyncio.wait_for(task, 30) == answer


async def test_a_question_is_answered_by_the_mouse() -> None:
    async with make_app(make_box()).run_test() as pilot:
        task = await asked(pilot, STOP)
        assert pilot.app.screen.query_one("#question").has_class("-danger")
        await pilot.click("#yes")
        assert await asyncio.wait_for(task, 30) == "yes"


async def test_a_code_is_typed_and_may_hold_any_letter() -> None:
    async with make_app(make_box()).run_test() as pilot:
        task = await asked(pilot, CODE)
        await pilot.press(*"yn12q", "enter")
        assert await asyncio.wait_for(task, 30) == "yn12q"


@pytest.fixture
def core_dumps_allowed() -> Iterator[None]:
    """Let this process leave a core dump, as far as it may."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


@pytest.mark.usefixtures("core_dumps_allowed")
async def test_a_secret_is_never_on_the_screen_or_in_a_core_dump() -> None:
    async with make_app(make_box()).run_test() as pilot:
        task = await asked(pilot, SECRET)
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
        await pilot.press(*"hunter2")
        assert pilot.app.screen.query_one(Input).value == "hunter2"
        assert "hunter2" not in pilot.app.export_screenshot()
        await pilot.press("enter")
        assert await asyncio.wait_for(task, 30) == "hunter2"


async def test_several_questions_come_one_after_the_other() -> None:
    async with make_app(make_box()).run_test() as pilot:
        first = await asked(pilot, KEY)
        second = asyncio.create_task(pilot.app.ask(CODE))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType]
        await pilot.pause()
        assert isinstance(pilot.app.screen, AskScreen)
        assert pilot.app.screen.question is KEY
        await pilot.press("y")
        assert await asyncio.wait_for(first, 30) == "yes"
        await until(pilot, lambda: getattr(pilot.app.screen, "question", None) is CODE)
        await pilot.press("1", "enter")
        assert await asyncio.wait_for(second, 30) == "1"


async def test_a_question_that_nobody_waits_for_goes_away() -> None:
    async with make_app(make_box()).run_test() as pilot:
        task = await asked(pilot, KEY)
        task.cancel()
        await until(pilot, lambda: not isinstance(pilot.app.screen, AskScreen))
        again = await asked(pilot, STOP)
        await pilot.press("escape")
        assert await asyncio.wait_for(again, 30) is None


async def test_a_withdrawn_question_under_the_palette_goes_when_it_is_seen_again() -> None:
    async with make_app(make_box()).run_test() as pilot:
        app = pilot.app
        task = await asked(pilot, KEY)
        app.action_change_theme()
        await until(pilot, lambda: not isinstance(app.screen, AskScreen))
        task.cancel()
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 2)


async def test_a_long_question_never_pushes_the_answers_off_the_screen() -> None:
    long = Question("[b]xub", "[i]Long", "\n".join(f"line {n} [red]" for n in range(60)), QuestionKind.YES_NO)
    async with make_app(make_box()).run_test(size=(80, 24)) as pilot:
        task = await asked(pilot, long)
        assert pilot.app.screen.query_one("#no").region.bottom <= 23
        picture = pilot.app.export_screenshot()
        assert "[i]Long" in picture
        assert "[b]xub" in picture
        assert "[red]" in picture
        await pilot.press("escape")
        assert await asyncio.wait_for(task, 30) is None


@pytest.mark.parametrize("question", [KEY, SECRET, STOP], ids=["key", "secret", "danger"])
async def test_questions_look_right(
    question: Question, clock: Clock, looks: Callable[[GpuBoxApp], None]
) -> None:
    app = make_app(make_box(training_box()), targets=())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query(StatusBar) and app.screen.focused)
        await until(pilot, lambda: "live" in app.screen.query_one(StatusBar).render().plain)
        task = await asked(pilot, question)
        looks(app)
        await pilot.press("escape")
        await asyncio.wait_for(task, 30)


async def test_the_footer_shows_how_an_answer_is_given_and_how_none_is() -> None:
    async with make_app(make_box()).run_test() as pilot:
        for question, keys in ((CODE, ["OK", "Cancel"]), (STOP, ["Yes", "No", "Cancel"])):
            task = await asked(pilot, question)
            line = pilot.app.screen.query_one(KeyFooter)
            assert [key.description for key in line.keys()[0]] == keys
            await pilot.press("escape")
            assert await asyncio.wait_for(task, 30) is None


@pytest.mark.parametrize("size", [(60, 15), (40, 10)], ids=["60x15", "40x10"])
@pytest.mark.parametrize("kind", [QuestionKind.YES_NO, QuestionKind.SECRET], ids=["buttons", "field"])
async def test_the_text_gives_way_to_the_answers_on_a_small_screen(
    kind: QuestionKind, size: tuple[int, int]
) -> None:
    long = Question(
        "xub", "New host key", "\n".join(f"line {n}" for n in range(30)), kind, prompt="Passphrase:"
    )
    async with make_app(make_box()).run_test(size=size) as pilot:
        task = await asked(pilot, long)
        screen = pilot.app.screen
        frame, text = screen.query_one("#question"), screen.query_one("#text")
        for name in ("#no", "#yes") if kind is QuestionKind.YES_NO else ("#prompt", "#answer"):
            answer = screen.query_one(name).region
            assert answer.height == 1
            assert text.region.bottom <= answer.y < frame.region.bottom - 1
        line = screen.query_one(KeyFooter)
        await until(pilot, lambda: "Scroll" in [key.description for key in line.keys()[0]])
        await pilot.press("down", "down")
        await until(pilot, lambda: text.scroll_y == 2)
        await pilot.press("escape")
        assert await asyncio.wait_for(task, 30) is None
