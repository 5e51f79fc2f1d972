"""The first panel draws the first sample before the others are made."""

from __future__ import annotations

import pytest

from gpubox.core.errors import Unreachable
from gpubox.core.link_state import Health, Phase
from gpubox.ui.draw.spans import Line
from gpubox.ui.panel import Panel
from gpubox.ui.panels.gpus import card
from gpubox.ui.panels.gpus.panel import Gpus
from gpubox.ui.screens import box as screen
from gpubox.ui.screens.box import BoxScreen
from tests.samples import eight_gpus, training_box
from tests.ui.fakes import make_app, make_box, until
from tests.ui.plain import Cards
from tests.ui.stage import on_stage

CONNECTING = Health(Phase.CONNECTING, step="reaching xub")


@pytest.mark.usefixtures("plain_panels")
async def test_the_other_panels_wait_for_the_first_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "LATE", 1e6)
    box = make_box()
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.query(Panel))
        first = app.screen.query_one(Cards)
        assert [*app.screen.query(Panel)] == [first]
        assert app.screen.focused is first
        box.received(training_box())
        await until(pilot, lambda: len(app.screen.query(Panel)) == 5)
        assert first.sample is box.sample.value
        assert app.screen.focused is first


@pytest.mark.usefixtures("plain_panels")
async def test_a_box_without_a_sample_gets_all_panels_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "LATE", 0.01)
    app = make_app(make_box(health=CONNECTING))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query(Panel)) == 5)


@pytest.mark.usefixtures("plain_panels")
async def test_a_box_that_is_not_reached_gets_all_panels_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "LATE", 1e6)
    app = make_app(make_box(health=Health(Phase.WAITING, reason=Unreachable("Connection refused"))))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.screen.query(Panel)) == 5)


async def test_the_focus_follows_from_the_cards_to_the_table() -> None:
    box = make_box(eight_gpus())
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and len(app.screen.query(Panel)) > 5)
        assert app.screen.focused is app.screen.query_one(Gpus).query_one("#table")


async def test_cards_behind_the_table_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw = card.card

    def noted(one: card.Card, width: int, height: int) -> list[Line]:
        drawn.append(one.gpu.name)
        return draw(one, width, height)

    monkeypatch.setattr(card, "card", noted)
    async with on_stage(Gpus, eight_gpus(), (120, 20)) as (stage, pilot):
        assert stage.panel.tabular
        assert drawn == []
        await pilot.press("c")
        await until(pilot, lambda: drawn)
