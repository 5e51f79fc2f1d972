"""Help for where the user is."""

from __future__ import annotations

import pytest
from textual.content import Content
from textual.widgets import Markdown

from gpubox.config.settings import Settings
from gpubox.core.errors import ConfigError
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.keys import entries
from gpubox.ui.panel import Panel
from gpubox.ui.panels.jobs.job_screen import JobScreen
from gpubox.ui.registry import panel_classes, panel_modules
from gpubox.ui.screens.box import BoxScreen
from gpubox.ui.screens.help import HelpScreen, KeyTable
from tests.samples import training_box
from tests.ui.fakes import link_of, make_app, make_box, until
from tests.ui.jobs import RUNNING, FakeJobs, employ


def table(app: GpuBoxApp) -> str:
    return app.screen.query_one(KeyTable).render().plain


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_reports_of_the_focused_panel_and_of_every_key(key: str) -> None:
    app = make_app(make_box(training_box()), settings=Settings(keys={"box.maximize": "z"}))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.focused)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert app.screen.query_one("#help").border_title == "GPUs"
        await until(pilot, lambda: app.screen.query_one(Markdown).source)
        lines = table(app).splitlines()
        maximize = next(line for line in lines if "box.maximize" in line)
        assert maximize.split()[0] == "z"
        assert "Let the panel fill the screen" in maximize
        assert any("app.palette" in line for line in lines)
        assert any("Go to GPUs" in line for line in lines)
        assert not any("box.panel9" in line for line in lines)
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))


async def test_the_list_of_boxes_has_help_too_and_the_settings_errors_stay_in_it() -> None:
    warning = ConfigError("Unknown setting", "ui.color", "Did you mean color?")
    app = make_app(picker=True, warnings=[warning])
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.focused)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "picker.open" in table(app)
        assert any("ui.color" in str(static.render()) for static in app.screen.query("#help > Static"))


@pytest.mark.parametrize(("width", "ids"), [(120, True), (80, False), (60, False), (40, False)])
async def test_in_a_narrow_terminal_the_ids_go_and_the_sentences_stay(width: int, ids: bool) -> None:
    box = make_box(training_box())
    app = make_app(box)
    async with app.run_test(size=(width, 24)) as pilot:
        await until(pilot, lambda: link_of(box).saved and app.screen.focused)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await until(pilot, lambda: "Maximize" in table(app))
        page = " ".join(table(app).split())
        assert ("box.maximize" in page) == ids
        reported = [node for node in (BoxScreen, GpuBoxApp) for node in entries(node)]
        if not ids:
            assert [one.id for one in reported if "panel" not in one.id and one.tooltip not in page] == []
        room = app.screen.query_one(KeyTable).content_size.width
        assert max(map(len, table(app).splitlines())) <= room


async def test_a_key_is_listed_once_where_it_works() -> None:
    box = employ(make_box(training_box()), FakeJobs(RUNNING))
    app = make_app(box)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: link_of(box).saved and app.screen.focused)
        await app.push_screen(JobScreen(box, app.settings, RUNNING))
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and table(app))
        assert [line.split()[:2] for line in table(app).splitlines() if " Help " in line] == [["?", "f1"]]
        quits = [line for line in table(app).splitlines() if line.startswith("q ")]
        assert ["Back" in line for line in quits] == [True]


def test_every_panel_module_holds_one_panel_that_explains_itself() -> None:
    classes = panel_classes()
    assert len(classes) == len(panel_modules())
    assert len({panel.ORDER for panel in classes}) == len(classes)
    for panel in classes:
        assert issubclass(panel, Panel)
        assert panel.__module__.endswith(f".{panel.NAME}.panel")
        assert panel.HELP
        assert 1 <= panel.ORDER <= 9


async def test_the_table_is_wrapped_once_for_each_width(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    wrap = KeyTable._wrap

    def noted(self: KeyTable, width: int) -> list[Content]:
        widths.append(width)
        return wrap(self, width)

    monkeypatch.setattr(KeyTable, "_wrap", noted)
    app = make_app(make_box(training_box()))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.screen.focused)
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "box.maximize" in table(app)
        assert widths
        assert len(widths) == len(set(widths))
