"""The list of boxes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.widgets import Input, OptionList, Static

from gpubox.core.errors import Unreachable
from gpubox.core.link_state import Health, Phase
from gpubox.core.target import Target
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.screens.picker import PickerScreen, matching
from tests.samples import training_box
from tests.ui.conftest import SIZES
from tests.ui.fakes import DEMO, LAB, LOCAL, MONOTONIC, XUB, Clock, link_of, make_app, make_box, until

TARGETS = (XUB, LAB, LOCAL, DEMO)


def rows(app: GpuBoxApp) -> list[str]:
    boxes = app.screen.query_one(OptionList)
    return [" ".join(str(boxes.get_option_at_index(n).prompt).split()) for n in range(boxes.option_count)]


async def test_all_boxes_are_listed_in_order_with_their_source() -> None:
    app = make_app(picker=True)
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: rows(app))
        assert rows(app) == [
            "xub ada@10.0.0.7:22 settings",
            "lab-h100 lab-h100.example.org ssh config",
            "local this machine, without ssh built in",
            "demo two simulated GPUs, to try the panel built in",
        ]


async def test_typing_filters_and_enter_opens_the_first() -> None:
    box = make_box(training_box(), target=LAB)
    app = make_app(box, picker=True)
    async with app.run_test() as pilot:
        await until(pilot, lambda: rows(app))
        await pilot.press(*"H100")
        await until(pilot, lambda: len(rows(app)) == 2)
        assert rows(app)[0].startswith("lab-h100")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))
        assert app.screens["lab-h100"].target is LAB


async def test_arrows_move_and_go_round() -> None:
    app = make_app(picker=True)
    async with app.run_test() as pilot:
        await until(pilot, lambda: rows(app))
        await pilot.press("up")
        assert app.screen.query_one(OptionList).highlighted == 3
        await pilot.press("down", "down")
        assert app.screen.query_one(OptionList).highlighted == 1


async def test_a_typed_address_can_be_connected_to() -> None:
    opened: list[Target] = []
    box = make_box(training_box(), target=Target("eve@new.example.org", "ssh", "typed"))
    app = make_app(box, picker=True, remember=opened.append)
    async with app.run_test() as pilot:
        await until(pilot, lambda: rows(app))
        await pilot.press(*"eve@new.example.org")
        await until(pilot, lambda: rows(app) == ["+ Connect to eve@new.example.org"])
        await pilot.press("enter")
        await until(pilot, lambda: opened)
        assert opened[0].name == "eve@new.example.org"
        assert app.targets[0] is opened[0]


async def test_what_cannot_be_an_address_is_reported_in_words() -> None:
    app = make_app(picker=True)
    async with app.run_test() as pilot:
        await until(pilot, lambda: rows(app))
        await pilot.press(*"a@b:99999", "enter")
        await until(pilot, lambda: str(app.screen.query_one("#problem", Static).render()))
        assert isinstance(app.screen, PickerScreen)


async def test_a_click_opens_a_box() -> None:
    app = make_app(make_box(training_box(), target=LAB), picker=True)
    async with app.run_test() as pilot:
        await until(pilot, lambda: rows(app))
        await pilot.click(OptionList, offset=(4, 1))
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))


async def test_open_boxes_show_how_they_are(clock: Clock) -> None:
    box = make_box(training_box())
    app = make_app(box)
    async with app.run_test(size=(130, 24)) as pilot:
        await until(pilot, lambda: link_of(box).saved)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen) and rows(app))
        assert rows(app)[0].startswith("● xub")
        assert "2 GPUs" in rows(app)[0]
        lost = Health(Phase.WAITING, retry_at=MONOTONIC + 3, reason=Unreachable("No answer"))
        link_of(box).health.put(lost)
        await until(pilot, lambda: "No answer · again in 3s" in rows(app)[0])
        assert rows(app)[0].startswith("▲ xub")


async def test_escape_clears_the_filter_first_and_then_goes_back() -> None:
    box = make_box(training_box())
    app = make_app(box)
    async with app.run_test() as pilot:
        await until(pilot, lambda: link_of(box).saved)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await pilot.press(*"la", "escape")
        assert app.screen.query_one(Input).value == ""
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen))


async def test_with_nothing_open_escape_goes_nowhere_and_ctrl_q_leaves() -> None:
    app = make_app(picker=True)
    async with app.run_test() as pilot:
        await until(pilot, lambda: rows(app))
        await pilot.press("escape")
        assert isinstance(app.screen, PickerScreen)
        await pilot.press("ctrl+q")
    assert app.return_code == 0


def test_names_that_begin_with_what_is_typed_come_first() -> None:
    assert matching(TARGETS, "l") == [LAB, LOCAL, DEMO]
    assert matching(TARGETS, "built demo") == [DEMO]
    assert matching(TARGETS, "nothing") == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_list_looks_right(
    size: tuple[int, int], clock: Clock, looks: Callable[[GpuBoxApp], None]
) -> None:
    box = make_box(training_box())
    app = make_app(box)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: link_of(box).saved)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen) and len(rows(app)) == 4)
        looks(app)


async def test_a_box_takes_one_row_however_narrow_the_screen_is() -> None:
    box = make_box(training_box(), target=LAB)
    app = make_app(box, picker=True)
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: rows(app))
        await pilot.press(*"H100", "enter")
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and app.screen.box is not None)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen) and "busy" in "".join(rows(app)))
        for width in (80, 60, 120):
            await pilot.resize_terminal(width, 24)
            boxes = app.screen.query_one(OptionList)
            await until(pilot, lambda boxes=boxes: boxes.virtual_size.height == boxes.option_count)
        assert "°C" in "".join(rows(app))


async def test_details_take_the_room_that_is_left_and_are_cut_only_where_there_is_none() -> None:
    long = Target("rack", "ssh", "settings", "ada@gpu-node-17.cluster.example.org:22022 by gate.example.org")
    app = make_app(picker=True, targets=(long, DEMO))
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: rows(app))
        assert rows(app)[0] == f"rack {long.detail} settings"
        await pilot.resize_terminal(60, 24)
        await until(pilot, lambda: "…" in rows(app)[0])
        assert "settings" in rows(app)[0]


async def test_beside_an_open_box_the_details_of_others_are_whole_where_there_is_room() -> None:
    box = make_box(training_box())
    app = make_app(box)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: link_of(box).saved)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen) and len(rows(app)) == 4)
        assert rows(app)[-1] == f"demo {DEMO.detail} built in"


async def test_a_long_name_is_whole_where_the_line_has_room_for_it() -> None:
    name = "a-name-of-more-than-twenty-eight-letters"
    app = make_app(picker=True, targets=(Target(name, "ssh", "ssh config"), DEMO))
    async with app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: rows(app))
        assert rows(app)[0] == f"{name} ssh config"
