"""Pictures in half cells: size, colors, speed."""

from __future__ import annotations

import time

import pytest
from rich.color import Color
from textual.app import App, ComposeResult

from gpubox.rfb.image import Picture
from gpubox.ui.draw.thumbnail import Thumbnail, cells, fit
from tests.ui.channels import drawn
from tests.ui.fakes import until


class Frame(App[None]):
    """A thumbnail alone."""

    def __init__(self) -> None:
        super().__init__()
        self.thumbnail = Thumbnail()

    def compose(self) -> ComposeResult:
        yield self.thumbnail

    def row(self, y: int) -> str:
        return self.thumbnail.render_line(y).text


def colors(picture: Picture, columns: int, rows: int) -> list[list[tuple[Color | None, Color | None]]]:
    """Upper and lower color of every cell."""
    return [
        [(each.style.color, each.style.bgcolor) for each in line for _ in each.text if each.style]
        for line in cells(picture, columns, rows)
    ]


@pytest.mark.parametrize(
    ("size", "room", "expected"),
    [
        ((1600, 900), (60, 40), (60, 17)),
        ((1600, 900), (60, 10), (36, 10)),
        ((900, 1600), (60, 20), (22, 20)),
        ((10000, 10), (60, 20), (60, 1)),
        ((10, 10000), (60, 20), (1, 20)),
    ],
)
def test_a_picture_keeps_its_shape_and_fills_its_room(
    size: tuple[int, int], room: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fit(Picture(*size, b""), *room) == expected


def test_each_cell_has_an_upper_and_a_lower_pixel() -> None:
    red, green, blue, white = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff", b"\xff\xff\xff"
    (line,) = colors(Picture(2, 2, red + green + blue + white), 2, 1)
    rgb = [tuple(color.triplet for color in pair if color) for pair in line]
    assert rgb == [((255, 0, 0), (0, 0, 255)), ((0, 255, 0), (255, 255, 255))]


def test_neighbors_of_one_color_are_one_segment() -> None:
    (line,) = cells(Picture(40, 2, b"\x10\x20\x30" * 80), 40, 1)
    assert [segment.text for segment in line] == ["▀" * 40]


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (61, 41)])
def test_a_picture_smaller_than_its_room_is_drawn_too(size: tuple[int, int]) -> None:
    lines = cells(Picture(*size, b"\x80" * (3 * size[0] * size[1])), 60, 20)
    assert len(lines) == 20
    assert all(sum(len(segment.text) for segment in line) == 60 for line in lines)


def test_a_picture_of_a_whole_screen_takes_few_milliseconds() -> None:
    noise = bytes((7 * n * n + n // 11) & 0xFF for n in range(4096))
    picture = Picture(1280, 800, (noise * (3 * 1280 * 800 // len(noise) + 1))[: 3 * 1280 * 800])
    best = 1.0
    for _ in range(5):
        begin = time.process_time()
        cells(picture, 60, 20)
        best = min(best, time.process_time() - begin)
    assert best < 0.06  # 5 ms on an idle machine of 2024; a loop over all pixels takes seconds


async def test_it_stands_in_the_middle_and_repaints_only_what_changed() -> None:
    async with Frame().run_test(size=(40, 20)) as pilot:
        frame = pilot.app
        assert isinstance(frame, Frame)
        frame.thumbnail.show(drawn(40, 20))
        await pilot.pause()
        assert frame.row(4) == " " * 40
        assert frame.row(5) == "▀" * 40
        assert frame.row(15) == " " * 40
        frame.thumbnail.show(drawn(20, 20))
        await until(pilot, lambda: frame.row(0) == "▀" * 40)
        await pilot.resize_terminal(80, 20)
        await until(pilot, lambda: frame.row(0) == " " * 20 + "▀" * 40 + " " * 20)


async def test_without_a_picture_it_says_why() -> None:
    async with Frame().run_test(size=(40, 10)) as pilot:
        frame = pilot.app
        assert isinstance(frame, Frame)
        frame.thumbnail.show(drawn())
        frame.thumbnail.show(None, "No picture: [b]gone[/b]")
        await until(pilot, lambda: "No picture: [b]gone[/b]" in frame.row(0))
