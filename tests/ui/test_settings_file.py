"""The settings file while the panel runs: a theme goes there, and new boxes come from there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual.command import CommandPalette
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.boxes.factory import open_box
from gpubox.boxes.fleet import Fleet
from gpubox.boxes.targets import known
from gpubox.config import edit
from gpubox.config.files import load
from gpubox.config.reload import SettingsFile
from gpubox.config.settings import BoxEntry
from gpubox.core.prompts import Asker
from gpubox.core.target import Target
from gpubox.ui.app import GpuBoxApp
from gpubox.ui.screens.picker import PickerScreen
from tests.samples import training_box
from tests.ui.fakes import make_app, make_box, until


def app_of(path: Path, *boxes: Box) -> GpuBoxApp:
    """The panel as the command makes it, with the settings of a file."""
    read = partial(load, path, environment={})
    if not path.exists():
        edit.init(path)
    settings = read().settings
    return make_app(
        *boxes,
        picker=not boxes,
        targets=known(settings),
        settings=settings,
        file=SettingsFile(path, read),
    )


async def names(app: GpuBoxApp, pilot: Pilot[None]) -> list[str]:
    """Open the list of boxes and return what stands there, without what this machine's ssh knows."""
    await pilot.press("b")
    await until(pilot, lambda: isinstance(app.screen, PickerScreen))
    return [target.name for target in app.targets if target.source != "ssh config"]


async def test_a_chosen_theme_is_there_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "gpubox.toml"
    path.write_text("# mine\n[ui]\ncards_up_to = 3 # few\n")
    app = app_of(path)
    async with app.run_test() as pilot:
        await pilot.pause()
        assert "theme" not in path.read_text()  # nothing was chosen yet
        await pilot.press("ctrl+t")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"dracula", "down", "enter")
        await until(pilot, lambda: app.theme == "dracula" and "theme" in path.read_text())
    assert path.read_text() == '# mine\n[ui]\ncards_up_to = 3 # few\ntheme = "dracula"\n'
    async with (again := app_of(path)).run_test():
        assert again.theme == "dracula"


async def test_a_theme_that_cannot_be_preserved_is_reported_and_used_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "gpubox.toml"
    app = app_of(path)
    path.write_text("[ui")
    async with app.run_test() as pilot:
        app.theme = "nord"
        await until(pilot, lambda: any("cannot be read" in str(one.title) for one in app._notifications))
        assert app.theme == "nord"
    assert path.read_text() == "[ui"


async def test_a_box_that_was_added_meanwhile_is_listed_and_opened_as_the_file_has_it(tmp_path: Path) -> None:
    path = tmp_path / "gpubox.toml"
    edit.add_box(path, BoxEntry(name="old"))
    opened: list[tuple[Target, str]] = []

    app = app_of(path, make_box(training_box(), target=Target("local", "local", "built in")))

    def opener(target: Target, asker: Asker) -> Box:
        opened.append((target, str(app.settings.box)))
        return open_box(target, app.settings, asker)

    async with app.run_test() as pilot:
        await until(pilot, lambda: "local" in app.screens)
        app.fleet = Fleet(app.settings, app, opener=opener)
        edit.add_box(path, BoxEntry(name="new", host="127.0.0.1", port=1))
        assert await names(app, pilot) == ["local", "old", "new", "demo"]
        await pilot.press(*"new", "enter")
        await until(pilot, lambda: opened)
        assert opened[0][0].detail == "127.0.0.1:1"
        assert "port=1" in opened[0][1]
        path.write_text("[[box]\n")  # half written by an editor
        assert {"old", "new"} <= set(await names(app, pilot))
        await pilot.press("escape")
        path.write_text('[[box]]\nname = "new"\n')
        await until(pilot, lambda: not isinstance(app.screen, PickerScreen))
        assert "old" not in await names(app, pilot)
