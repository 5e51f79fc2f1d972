"""Lines that a function draws to fit: no scroll bar stays when they do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.app import App, ComposeResult

from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.spans import Line, Span
from tests.ui.fakes import until


def as_high_as_there_is_room(width: int, height: int) -> Sequence[Line]:
    return [(Span("x" * width),)] * height


class Shown(App[None]):
    def compose(self) -> ComposeResult:
        yield LineView(as_high_as_there_is_room)


@pytest.mark.parametrize("heights", [(12, 6), (12, 6, 5), (6, 12, 6)])
async def test_a_view_that_shrinks_keeps_no_scroll_bar_beside_lines_that_fit(
    heights: tuple[int, ...],
) -> None:
    app = Shown()
    async with app.run_test(size=(41, heights[0])) as pilot:
        lines = app.query_one(LineView)
        for height in heights:
            await pilot.resize_terminal(41, height)
            await until(pilot, lambda height=height: len(lines.shown_lines) == height)
        await until(pilot, lambda: lines.plain.splitlines()[0] == "x" * 41)
        assert not lines.show_vertical_scrollbar
