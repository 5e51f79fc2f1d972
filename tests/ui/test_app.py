"""The app: it opens boxes and keeps them, and never shows a traceback."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from textual.command import CommandList, CommandPalette
from textual.screen import Screen

from gpubox.boxes.box import Box
from gpubox.config.settings import Settings, UiSettings
from gpubox.core.errors import Cancelled, ConfigError, GpuBoxError, RemoteError, StoreError
from gpubox.core.feed import Feed
from gpubox.core.prompts import Asker
from gpubox.core.target import Target
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.error_boundary import UNEXPECTED, guarded
from gpubox.ui.keymap import everything, keymap
from gpubox.ui.keys import KeyProvider
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.screens.picker import PickerScreen
from tests.samples import training_box
from tests.ui.fakes import DEMO, LAB, link_of, make_app, make_box, until


def toasts(app: GpuBoxApp) -> list[tuple[str, str]]:
    return [(toast.title, toast.message) for toast in app._notifications]


async def raising(error: Exception) -> None:
    raise error


async def test_boxes_stay_open_while_another_is_shown_and_close_at_the_end() -> None:
    xub, lab = make_box(training_box()), make_box(training_box(), target=LAB)
    opened: list[Target] = []
    app = make_app(xub, lab, remember=opened.append)
    async with app.run_test() as pilot:
        await until(pilot, lambda: link_of(xub).saved)
        first = app.screen
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await pilot.press(*"lab", "enter")
        await until(pilot, lambda: link_of(lab).saved)
        assert isinstance(app.screen, BoxScreen)
        assert app.screen.target is LAB
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await pilot.press(*"xub", "enter")
        await until(pilot, lambda: app.screen is first)
        assert link_of(xub).saved == 1
        assert not link_of(xub).closed
        assert not link_of(lab).closed
        await pilot.press("q")
    assert link_of(xub).closed
    assert link_of(lab).closed
    assert [target.name for target in opened] == ["xub", "lab-h100", "xub"]


async def test_the_screen_is_painted_before_the_box_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    display = GpuBoxApp._display

    def painted(app: GpuBoxApp, screen: Screen[object], update: object) -> None:
        if update is not None and not app._batch_count and screen.query("#state"):
            order.append("painted")
        display(app, screen, update)  # pyright: ignore[reportArgumentType]

    def opener(_target: Target, _asker: Asker) -> Box:
        order.append("opened")
        return box

    monkeypatch.setattr(GpuBoxApp, "_display", painted)
    box = make_box(training_box())
    async with make_app(box, opener=opener).run_test() as pilot:
        await until(pilot, lambda: "opened" in order)
    assert order[0] == "painted"


async def test_tasks_begin_in_their_turn_as_asyncssh_needs_it() -> None:
    begun: list[str] = []

    async def work() -> None:
        begun.append("task")

    class Eager(asyncio.Task[None]):
        """What Python 3.12 lets Textual make of every task."""

    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work, **more: Eager(work, loop=loop, **more))  # type: ignore[arg-type]
    async with make_app(make_box()).run_test():
        task = asyncio.create_task(work())
        assert not isinstance(task, Eager)
        begun.append("caller")
        await task
    assert begun == ["caller", "task"]


async def test_an_error_of_ours_is_a_toast_with_what_to_do() -> None:
    app = make_app(picker=True)
    async with app.run_test() as pilot:
        error = RemoteError("Not sent", "pid 41 is another process now", "Look again [b]")
        assert not await guarded(app, raising(error))
        await until(pilot, lambda: toasts(app))
        assert toasts(app) == [("Not sent", "pid 41 is another process now\nLook again [b]")]


async def test_a_disk_that_keeps_no_history_is_reported_and_the_rest_works() -> None:
    feed: Feed[GpuBoxError | None] = Feed(None)
    app = make_app(picker=True, trouble=feed)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert toasts(app) == []
        feed.put(StoreError("History is not kept", "The disk is full", "Free some room"))
        await until(pilot, lambda: toasts(app))
        assert toasts(app) == [("History is not kept", "The disk is full\nFree some room")]


async def test_who_said_no_is_not_reported_so() -> None:
    app = make_app(picker=True)
    async with app.run_test():
        assert not await guarded(app, raising(Cancelled("Declined")))
        assert toasts(app) == []


async def test_an_unforeseen_error_is_logged_with_its_traceback_and_reported_without(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    handler = logging.FileHandler(tmp_path / "gpubox.log")
    logging.getLogger("gpubox").addHandler(handler)
    app = make_app(picker=True)
    try:
        async with app.run_test() as pilot:
            assert not await guarded(app, raising(ZeroDivisionError("secret")))
            await until(pilot, lambda: toasts(app))
            ((title, message),) = toasts(app)
    finally:
        logging.getLogger("gpubox").removeHandler(handler)
        handler.close()
    assert title == UNEXPECTED
    assert "gpubox.log" in message
    assert "secret" not in message
    assert "Traceback" in (tmp_path / "gpubox.log").read_text()


async def test_what_ends_the_program_is_reported_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    app = make_app(picker=True)

    def fail() -> None:
        raise ZeroDivisionError

    async def run() -> None:
        async with app.run_test() as pilot:
            app.call_later(fail)
            await pilot.pause()

    with pytest.raises(ZeroDivisionError):
        await run()
    shown = capsys.readouterr().err
    assert app.return_code == 1
    assert UNEXPECTED in shown
    assert "Traceback" not in shown
    assert "NOTE" not in shown


async def test_wrong_settings_are_shown_and_the_rest_works() -> None:
    warning = ConfigError("Unknown setting", "ui.color in gpubox.toml", "Did you mean color?")
    settings = Settings(
        ui=UiSettings(theme="nope"), keys={"box.retri": "R", "app.help": "nokey", "box.maximize": "f6"}
    )
    box = make_box(training_box())
    app = make_app(box, settings=settings, warnings=[warning])
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(toasts(app)) == 3)
        messages = " ".join(message for _, message in toasts(app))
        assert "Did you mean color?" in messages
        assert "Did you mean box.retry?" in messages
        assert '"nokey" for app.help is not a key' in messages
        assert app.theme == "gpubox"
        await until(pilot, lambda: app.screen.focused)
        await pilot.press("f6")
        await until(pilot, lambda: app.screen.maximized)


def test_a_key_that_is_taken_is_refused_in_words() -> None:
    usable, errors = keymap({"app.boxes": "q", "picker.open": "f5"}, GpuBoxApp)
    assert usable == {"picker.open": "f5"}
    assert "app.boxes and app.quit would both be q" in errors[0].text


def test_two_that_share_a_key_may_share_another() -> None:
    both = {"jobs.stop": "k", "jobs.remove": "k"}
    assert keymap(both, GpuBoxApp) == (both, [])
    usable, errors = keymap({"jobs.stop": "n"}, GpuBoxApp)
    assert not usable
    assert "would both be n" in errors[0].text


def test_keys_may_be_swapped() -> None:
    usable, errors = keymap({"app.boxes": "q", "app.quit": "b,ctrl+x"}, GpuBoxApp)
    assert not errors
    assert len(usable) == 2


def test_every_binding_says_what_it_does() -> None:
    for entry in everything(GpuBoxApp).values():
        assert entry.description, entry.id
        assert len(entry.description.split()) <= 3, entry.id
        assert entry.tooltip, entry.id
        assert "." in entry.id, entry.id


async def test_the_palette_offers_what_the_keys_do_and_does_it() -> None:
    box = make_box(training_box())
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.focused)
        screen = app.screen
        hits = [hit async for hit in KeyProvider(screen).discover()]
        titles = [str(hit.prompt) for hit in hits]
        assert "Maximize" in titles
        assert "Boxes" in titles
        assert "GPUs: Details" in titles
        assert "Go to GPUs" in titles
        assert "Retry" not in titles
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"maximize")
        commands = app.screen.query_one(CommandList)
        await until(pilot, lambda: commands.visible and commands.option_count == 1)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: screen.maximized is not None)


async def test_every_theme_of_textual_can_be_had() -> None:
    app = make_app(make_box(training_box()), settings=Settings(ui=UiSettings(theme="nord")))
    async with app.run_test(size=(120, 40)) as pilot:
        assert app.theme == "nord"
        await until(pilot, lambda: app.screen.focused)
        for theme in app.available_themes:
            app.theme = theme
            await pilot.pause()
            assert app.export_screenshot()


def test_the_screen_comes_up_without_the_ssh_library() -> None:
    code = "import sys, gpubox.ui.app; print([m for m in ('asyncssh', 'markdown_it') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_demo_is_just_another_box() -> None:
    box = make_box(training_box(simulated=True), target=DEMO)
    app = make_app(box)
    async with app.run_test() as pilot:
        await until(pilot, lambda: link_of(box).saved)
        assert app.targets[0] is DEMO
