"""The screen of a box with its real panels."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from gpubox.boxes.alerts.alerts import AlertList
from gpubox.boxes.box import Box
from gpubox.core.sample import Sample
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.draw.table import Table
from gpubox.ui.panel import Panel
from gpubox.ui.panel_layout import FRONT
from gpubox.ui.panels.gpus.panel import Gpus
from gpubox.ui.panels.history.panel import HistoryPanel
from gpubox.ui.panels.processes.panel import Processes
from gpubox.ui.screens.box import BoxScreen
from tests.samples import eight_gpus, filled, lost_gpu, mismatch, no_device, training_box
from tests.ui.alerts import provide
from tests.ui.conftest import SIZES
from tests.ui.envs import ALL as ENVS
from tests.ui.envs import FakeEnvs, equip
from tests.ui.fakes import Clock, complete, make_app, make_box, steady, until
from tests.ui.jobs import ALL as JOBS
from tests.ui.jobs import FakeJobs, employ

SHOWN = {
    (80, 24): ["gpus", "processes"],
    (120, 40): ["gpus", "processes", "tunnels", "jobs", "host", "history"],
    (200, 50): ["gpus", "processes", "tunnels", "envs", "jobs", "host", "history", "desktop"],
}
"""The panels that are displayed at first, from the top left to the bottom right."""


def everything(box: Box) -> Box:
    """Give a box jobs and environments."""
    return employ(equip(box, FakeEnvs(*ENVS)), FakeJobs(*JOBS))


@pytest.mark.parametrize(("size", "expected"), SHOWN.items())
async def test_every_panel_that_is_shown_has_the_room_it_needs(
    size: tuple[int, int], expected: list[str]
) -> None:
    box = everything(make_box(training_box()))
    app = make_app(box)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: complete(app))
        panels = app.screen.query(Panel)
        await until(pilot, lambda: [panel.NAME for panel in panels if panel.display] == expected)
        for panel in panels:
            if panel.display:
                await until(pilot, lambda shown=panel: shown.sample is box.sample.value)
                assert panel.outer_size.height >= panel.ROWS, panel.NAME
                assert panel.region.right <= size[0], panel.NAME
                assert panel.region.bottom <= size[1] - 1, panel.NAME


async def test_a_box_without_gpus_begins_with_the_host_and_sorts_by_cpu() -> None:
    box = make_box(replace(no_device(), faults=()))  # nobody has looked for GPUs yet
    app = make_app(box)

    def focused(name: str) -> bool:
        return any(
            name == panel.NAME and panel.has_pseudo_class("focus-within") for panel in app.screen.query(Panel)
        )

    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, BoxScreen) and focused("gpus"))
        box.received(no_device())
        await until(pilot, lambda: focused("host"))
        table = app.screen.query_one(Processes).query_one("#list", Table)
        await pilot.press("2")
        await until(pilot, lambda: table.sort == ("cpu", True))
        await pilot.press("1")
        box.received(replace(no_device(), seq=99))
        await until(pilot, lambda: app.screen.query_one(Gpus).sample == box.sample.value)
        assert focused("gpus")  # once only


async def test_every_panel_can_be_reached_by_its_number() -> None:
    app = make_app(everything(make_box(training_box())))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: complete(app))
        for panel in app.screen.query(Panel):
            await pilot.press(str(panel.ORDER))
            await until(
                pilot, lambda expected=panel: expected.display and expected.has_pseudo_class("focus-within")
            )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "sample",
    [training_box(simulated=True), eight_gpus(), lost_gpu(), mismatch()],
    ids=["training", "eight", "lost", "mismatch"],
)
async def test_the_whole_screen_looks_right(
    sample: Sample, size: tuple[int, int], clock: Clock, looks: Callable[[GpuBoxApp], None]
) -> None:
    box = everything(make_box(sample))
    provide(box, AlertList())  # a toast that comes and goes is not looked at here
    box.history = filled(sample)
    app = make_app(box)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: complete(app))

        def displayed() -> list[Panel]:
            return [panel for panel in app.screen.query(Panel) if panel.display]

        await until(pilot, lambda: {panel.NAME for panel in displayed()} >= {*SHOWN[size]})
        await until(pilot, lambda: all(panel.sample is sample for panel in displayed()))
        await until(pilot, lambda: all(drawn(panel) for panel in displayed()))
        await until(pilot, lambda: "Looking" not in app.export_screenshot())
        await steady(pilot)
        looks(app)


def drawn(panel: Panel) -> bool:
    """Whether a panel had room to draw, which it learns after its sample."""
    return any(view.plain.strip() for view in panel.query(LineView) if view.display)


async def test_the_panel_that_is_gone_to_gets_room_for_its_rows() -> None:
    app = make_app(everything(make_box(training_box())))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: complete(app))
        for key, name in (("e", "envs"), ("j", "jobs"), ("2", "processes")):
            await pilot.press(key)
            panel = app.screen.query_one(f"#{name}", Panel)
            await until(pilot, lambda shown=panel: shown.display and shown.outer_size.height >= FRONT)
            for other in app.screen.query("#main > Panel").results(Panel):
                assert not other.display or other.outer_size.height >= other.ROWS, other.NAME


async def test_no_row_stays_bare_where_all_are_as_high_as_their_rows() -> None:
    app = make_app(everything(make_box(training_box())))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: complete(app))

        def bottom() -> int:
            shown = [panel for panel in app.screen.query(Panel) if panel.display and panel.PLACE == "main"]
            return max(panel.region.bottom for panel in shown)

        for key in "et":
            await pilot.press(key)
            await until(pilot, lambda: bottom() == 39)


def fills(panel: Panel, size: tuple[int, int]) -> bool:
    """Return whether a panel is seen, from edge to edge and between the first line and the line of keys."""
    region = panel.region
    return (
        panel.display
        and (region.x, region.width) == (0, size[0])
        and (region.y, region.bottom) == (1, size[1] - 1)
    )


@pytest.mark.parametrize("size", SIZES)
async def test_every_panel_fills_the_screen_when_one_goes_there_from_a_maximized_one(
    size: tuple[int, int],
) -> None:
    app = make_app(everything(make_box(training_box())))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: complete(app))
        panels = sorted(app.screen.query(Panel), key=lambda panel: panel.ORDER)
        named = {"tunnels": "t", "jobs": "j", "envs": "e"}
        await pilot.press("m")
        await until(pilot, lambda: fills(panels[0], size))
        for panel in panels:
            for key in (str(panel.ORDER), named.get(panel.NAME), "1"):
                if key is not None:
                    await pilot.press(key)
                    await until(
                        pilot, lambda expected=panels[0] if key == "1" else panel: fills(expected, size)
                    )
        for panel in (*panels[1:], panels[0]):
            await pilot.press("tab")
            await until(pilot, lambda panel=panel: fills(panel, size))
            assert panel.has_pseudo_class("focus-within")
        await pilot.press("escape")
        await until(pilot, lambda: sum(panel.region.area > 0 for panel in panels) > 1)


@pytest.mark.parametrize(("sample", "key"), [(training_box(), "right"), (eight_gpus(), "down")])
async def test_the_chosen_gpu_is_what_processes_and_history_are_about(sample: Sample, key: str) -> None:
    app = make_app(everything(make_box(sample)))
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: complete(app))
        processes = app.screen.query_one(Processes)
        history = app.screen.query_one(HistoryPanel)
        listed = processes.query_one("#list", Table)
        await until(pilot, lambda: len(listed.shown) == len(sample.processes))
        await pilot.press(key)
        await until(pilot, lambda: "on GPU 1 · 0 all" in str(processes._border_title))
        on_it = [process.pid for process in sample.processes if process.gpu == 1]
        await until(pilot, lambda: sorted(process.pid for process in listed.shown) == sorted(on_it))
        assert history.subject is not None
        assert history.subject.index == 1
        await pilot.press("0")
        await until(pilot, lambda: len(listed.shown) == len(sample.processes))
        assert "GPU" not in str(processes._border_title)
