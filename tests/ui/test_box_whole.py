"""The screen of a box with its real panels."""

from __future__ import annotations

import pytest

from gpubox.ui.panel import Panel
from gpubox.ui.screens.box import BoxScreen
from tests.samples import training_box
from tests.ui.fakes import make_app, make_box, until


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((80, 24), ["gpus", "processes"]),
        ((120, 40), ["gpus", "processes", "host", "history"]),
        ((200, 50), ["gpus", "processes", "host", "history"]),
    ],
)
async def test_every_panel_that_is_shown_has_the_room_it_needs(
    size: tuple[int, int], expected: list[str]
) -> None:
    box = make_box(training_box())
    app = make_app(box)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.focused)
        panels = app.screen.query(Panel)
        await until(pilot, lambda: [panel.NAME for panel in panels if panel.display] == expected)
        for panel in panels:
            if panel.display:
                await until(pilot, lambda shown=panel: shown.sample is box.sample.value)
                assert panel.outer_size.height >= panel.ROWS, panel.NAME
                assert panel.region.right <= size[0], panel.NAME
                assert panel.region.bottom <= size[1] - 1, panel.NAME


async def test_every_panel_can_be_reached_by_its_number() -> None:
    app = make_app(make_box(training_box()))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.focused)
        for panel in app.screen.query(Panel):
            await pilot.press(str(panel.ORDER))
            await until(
                pilot, lambda wanted=panel: wanted.display and wanted.has_pseudo_class("focus-within")
            )
