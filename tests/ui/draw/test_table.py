"""The table that lists are made of."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.pilot import Pilot

from gpubox.ui.draw.spans import length
from gpubox.ui.draw.table import Column, Table


@dataclass(frozen=True)
class Animal:
    name: str
    legs: float | None
    note: str = ""


ANIMALS = [Animal("ant", 6), Animal("bee", 6), Animal("cat", 4), Animal("eel", None), Animal("owl", 2)]


def legs(one: Animal) -> str:
    return "" if one.legs is None else f"{one.legs:.0f}"


COLUMNS: tuple[Column[Animal], ...] = (
    Column("name", 6, lambda one: one.name, lambda one: one.name, left=True),
    Column("legs", 5, legs, lambda one: one.legs, falling=True),
    Column("note", 8, lambda one: one.note, lambda one: one.note, left=True, need=1, grows=True),
)


class Zoo(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.rows: Table[Animal] = Table(COLUMNS, lambda one: one.name, sort="name", empty="No animal")
        self.painted: list[Region] = []

    def compose(self) -> ComposeResult:
        yield self.rows


@asynccontextmanager
async def zoo(size: tuple[int, int] = (40, 10)) -> AsyncGenerator[tuple[Table[Animal], Pilot[None]]]:
    app = Zoo()
    async with app.run_test(size=size) as pilot:
        app.rows.show(ANIMALS)
        app.rows.focus()
        await pilot.pause()
        yield app.rows, pilot


def names(rows: Table[Animal]) -> str:
    return " ".join(one.name for one in rows.shown)


async def test_rows_come_sorted_and_what_is_unknown_comes_last_both_ways() -> None:
    async with zoo() as (rows, _):
        assert names(rows) == "ant bee cat eel owl"
        rows.sort_by("legs")
        assert names(rows) == "ant bee cat owl eel"
        rows.reverse()
        assert names(rows) == "owl cat ant bee eel"
        assert rows.sort == ("legs", False)


async def test_a_click_on_a_title_sorts_and_a_second_one_turns_it_round() -> None:
    async with zoo() as (rows, pilot):
        await pilot.click(Table, offset=(9, 0))
        assert rows.sort == ("legs", True)
        assert "LEGS▼" in rows.plain
        await pilot.click(Table, offset=(9, 0))
        assert rows.sort == ("legs", False)
        assert "LEGS▲" in rows.plain


async def test_the_cursor_stays_on_its_thing_when_the_order_changes() -> None:
    async with zoo() as (rows, pilot):
        await pilot.press("down", "down")
        assert rows.chosen == ANIMALS[2]
        rows.show([replace(one, legs=100) if one.name == "cat" else one for one in reversed(ANIMALS)])
        rows.sort_by("legs")
        assert rows.chosen is not None
        assert rows.chosen.name == "cat"
        assert rows.cursor_line == 1


async def test_the_cursor_goes_to_a_neighbor_when_its_thing_is_gone() -> None:
    async with zoo() as (rows, pilot):
        await pilot.press("end")
        assert rows.chosen == ANIMALS[-1]
        rows.show(ANIMALS[:-1])
        assert rows.chosen == ANIMALS[-2]
        rows.show([])
        assert rows.chosen is None
        assert "No animal" in rows.plain


async def test_only_rows_that_changed_are_painted() -> None:
    async with zoo() as (rows, pilot):
        await pilot.pause()
        painted: list[int] = []
        draw = rows.render_line
        rows.render_line = lambda y: (painted.append(y), draw(y))[1]  # type: ignore[method-assign]
        rows.show(list(ANIMALS))
        await pilot.pause()
        assert painted == []
        rows.show([replace(one, note="new") if one.name == "cat" else one for one in ANIMALS])
        await pilot.pause()
        assert painted == [3]


async def test_a_filter_hides_and_dropping_it_shows_again() -> None:
    async with zoo() as (rows, _):
        rows.narrow(lambda one: "e" in one.name)
        assert names(rows) == "bee eel"
        rows.narrow(None)
        assert len(rows.shown) == 5


async def test_the_least_needed_column_goes_when_room_is_short() -> None:
    async with zoo((40, 10)) as (rows, _):
        assert rows.shown_columns == ("name", "legs", "note")
    async with zoo((16, 10)) as (rows, _):
        assert rows.shown_columns == ("name", "legs")


async def test_the_titles_stay_when_the_rest_scrolls() -> None:
    async with zoo((40, 3)) as (rows, pilot):
        await pilot.press("end")
        await pilot.pause()
        assert rows.scroll_offset.y == 3
        assert rows.render_line(0).text.startswith("NAME")
        assert rows.render_line(2).text.startswith("owl")
        await pilot.press("home")
        assert rows.render_line(1).text.startswith("ant")


async def test_every_line_is_as_wide_as_the_table() -> None:
    async with zoo((37, 10)) as (rows, _):
        rows.show([Animal("宽" * 40, 3, "note " * 50), Animal("b", 1e9)])
        assert {rows.render_line(y).cell_length for y in range(10)} == {37}
        assert all(length(line) >= 0 for line in rows.shown_lines)


async def test_why_a_list_is_empty_is_reported_to_the_end_of_the_sentence() -> None:
    async with zoo() as (rows, pilot):
        rows.empty = "No Python on the box. Name one with `python` in the settings of the box"
        rows.show([])
        await pilot.pause()
        assert rows.plain.split()[-1] == "box"
