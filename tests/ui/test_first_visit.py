"""A box that this machine has never seen: the guide is offered once, after its first sample."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App

from gpubox.config.settings import HistorySettings
from gpubox.store.store import Store
from gpubox.ui.first_visit import offer_guide
from gpubox.ui.panel import Panel
from gpubox.ui.screens import box as screen
from tests.samples import training_box
from tests.ui.fakes import DEMO, complete, make_app, make_box, until

pytestmark = pytest.mark.usefixtures("plain_panels")


def offers(app: App[None]) -> list[str]:
    return [one.message for one in app._notifications if "First time on this box" in one.message]


async def test_the_guide_is_offered_once_for_a_box(tmp_path: Path) -> None:
    with Store(tmp_path / "history", HistorySettings()) as store:
        for count in (1, 0):
            app = make_app(make_box(training_box()), remember=store.state.remember)
            async with app.run_test(size=(120, 40)) as pilot:
                await until(pilot, lambda app=app: complete(app))
                await until(pilot, lambda app=app, count=count: len(offers(app)) == count)
                assert isinstance(app.screen, screen.BoxScreen)


async def test_the_offer_waits_for_the_first_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "LATE", 0.01)
    box = make_box()
    app = make_app(box, remember=lambda _: True)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query(Panel)) == 5)
        assert offers(app) == []
        box.received(training_box())
        await until(pilot, lambda: offers(app))
        assert offers(app) == ["First time on this box: G is a guide through its set-up"]


class Notes:
    """A notifier that writes down what it is to show."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def notify(self, message: str, **_: object) -> None:
        self.shown.append(message)


async def test_the_demo_box_needs_no_set_up() -> None:
    notes = Notes()
    await offer_guide(notes, make_box(training_box(), target=DEMO))
    assert notes.shown == []
    await offer_guide(notes, make_box(training_box()))
    assert len(notes.shown) == 1
