"""A panel or a window that fails does so alone: the others go on, and the reason is in the log."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any

import pytest
from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen
from textual.strip import Strip

from gpubox.core.sample import Sample
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line
from gpubox.ui.error_boundary import guarded
from gpubox.ui.panel import FORGIVEN
from tests import samples
from tests.ui import plain
from tests.ui.fakes import Clock, make_app, make_box, until

pytestmark = pytest.mark.usefixtures("panels_may_fail")


class Sick(plain.Plain):
    """A panel that divides by zero where a test wants it to."""

    NAME, TITLE, ORDER, PLACE = "sick", "Sick", 2, "main"
    where = ""

    def compose(self) -> ComposeResult:
        yield LineView(self.draw)

    def draw(self, width: int, height: int) -> list[Line]:
        self.break_in("draw")
        return []

    def break_in(self, place: str) -> None:
        if Sick.where == place:
            raise ZeroDivisionError("float [/ by zero")

    def on_mount(self) -> None:
        self.break_in("mount")
        self.set_interval(0.05, lambda: self.break_in("timer"))
        self.run_worker(guarded(self, self.work()), exit_on_error=False)

    async def work(self) -> None:
        self.break_in("worker")

    def watch_sample(self, sample: Sample | None) -> None:
        super().watch_sample(sample)
        self.break_in("watch")

    def render_line(self, y: int) -> Strip:
        self.break_in("render")
        return super().render_line(y)

    def on_key(self) -> None:
        self.break_in("key")

    def action_break(self) -> None:
        self.break_in("action")


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain panels, with one that fails among them."""
    monkeypatch.setattr(Sick, "where", "")
    monkeypatch.setattr("gpubox.ui.registry.panel_classes", lambda: [plain.Cards, Sick, plain.Machine])
    monkeypatch.setattr("gpubox.ui.registry.first_panel", lambda: plain.Cards)


@pytest.mark.parametrize("where", ["draw", "mount", "timer", "worker", "watch", "render", "key", "action"])
async def test_a_failure_ends_nothing_but_marks_its_panel(
    where: str, well: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gpubox.ui.panel.FORGIVEN", math.inf)
    if where in ("mount", "worker"):
        monkeypatch.setattr(Sick, "where", where)
    box = make_box(samples.training_box())
    app = make_app(box)
    toasts: list[str] = []
    notify = app.notify

    def noted(message: str, **options: Any) -> None:  # a toast is gone after seconds
        toasts.append(str(options.get("title")))
        notify(message, **options)

    monkeypatch.setattr(app, "notify", noted)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query(Sick))
        sick, machine = app.screen.query_one(Sick), app.screen.query_one(plain.Machine)
        monkeypatch.setattr(Sick, "where", where)
        sick.take_focus()
        sick.query_one(LineView).post_message(events.Resize(sick.size, sick.size))
        if where == "action":
            await app.run_action("break", sick)
        await pilot.press("z")
        sick.refresh()
        before = len(machine.drawn)
        box.sample.put(samples.hot_and_throttled())
        await until(pilot, lambda: len(machine.drawn) > before)
        await until(pilot, lambda: "ZeroDivisionError" in str(sick.border_title))
        assert sick.is_mounted
        assert toasts.count("Sick failed") == 1
    assert app.return_code in (None, 0)
    failed = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(failed) == 1
    assert failed[0].exc_info is not None


async def test_a_panel_that_fails_no_more_is_marked_no_more(
    well: None, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = make_box(samples.training_box())
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query(Sick))
        sick = app.screen.query_one(Sick)
        monkeypatch.setattr(Sick, "where", "watch")
        sick.receive(samples.hot_and_throttled(), stale=False)
        assert "failed" in str(sick.border_title)
        monkeypatch.setattr(Sick, "where", "")
        sick.receive(samples.training_box(), stale=False)
        assert "failed" in str(sick.border_title)
        clock.passed += FORGIVEN + 1
        sick.receive(samples.hot_and_throttled(), stale=False)
        assert "failed" not in str(sick.border_title)


class Window(ModalScreen[None]):
    """A window that cannot be made."""

    def on_mount(self) -> None:
        raise ZeroDivisionError


async def test_a_window_that_fails_is_closed_and_the_panels_go_on(well: None) -> None:
    app = make_app(make_box(samples.training_box()))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.query(Sick))
        behind = app.screen
        app.push_screen(Window())
        # pilot.pause would wait for the window, which takes no messages any more.
        async with asyncio.timeout(120):
            while app.screen is not behind or not app._notifications:  # noqa: ASYNC110 no event tells it
                await asyncio.sleep(0.01)
        assert any("ZeroDivisionError" in one.message for one in app._notifications)
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen is not behind)
