"""The window of the service: how it is, live, and the keys that change it after a yes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from gpubox.boxes.box import Box
from gpubox.boxes.monitor import Monitor, MonitorStatus, OutletStatus
from gpubox.boxes.monitor.monitor import Verb
from gpubox.core.errors import GpuBoxError, RemoteError
from gpubox.ui.draw.line_view import LineView
from gpubox.ui.panel import Panel
from gpubox.ui.screens.ask import AskScreen
from gpubox.ui.screens.help import HelpScreen
from gpubox.ui.screens.monitor import MonitorScreen
from tests.boxes.monitor.test_wording import RUNNING
from tests.samples import training_box
from tests.ui.fakes import make_app, make_box, until
from tests.ui.test_checks import footer

pytestmark = pytest.mark.usefixtures("plain_panels")

NONE = MonitorStatus(now=100.0)
HOSTILE = "[/b]\x1b]0;owned\x07"


class Scripted(Monitor):
    """A service that answers what is given."""

    def __init__(self, box: Box, status: MonitorStatus, error: GpuBoxError | None = None) -> None:
        super().__init__(box.context)
        self.now, self.error = status, error
        self.asked: list[Verb] = []

    async def _ask(self, verb: Verb, request: object) -> MonitorStatus:
        if verb != "status":
            self.asked.append(verb)
            running = replace(RUNNING, version=self.version)
            stopped = replace(running, running=False, started=None)
            self.now = {"install": running, "update": running, "start": running, "stop": stopped}.get(
                verb, NONE
            )
        if self.error is not None:
            raise self.error
        self.status.put(self.now)
        return self.now


def scripted(status: MonitorStatus = NONE, error: GpuBoxError | None = None) -> tuple[Box, Scripted]:
    box = make_box(training_box())
    made = Scripted(box, status, error)
    box.context.provide(Monitor, made)
    return box, made


async def opened(pilot: Pilot[None], words: str) -> LineView:
    """Open the window by its key, and wait for words in it."""
    await until(pilot, lambda: len(pilot.app.screen.query(Panel)) > 2)
    await pilot.press("M")
    await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))
    lines = pilot.app.screen.query_one(LineView)
    await until(pilot, lambda: words in lines.plain)
    return lines


def keys(pilot: Pilot[None]) -> list[str]:
    """The keys of the key line that change something."""
    words = ("Install", "Update", "Start", "Stop", "Remove")
    return [key for key in footer(pilot.app.screen) if key.rpartition(" ")[2] in words]


async def press(pilot: Pilot[None], key: str, answer: str) -> None:
    """Press a key that asks, and answer."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen))
    await pilot.press(answer)
    await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_it_is_installed_stopped_started_and_removed(size: tuple[int, int]) -> None:
    box, monitor = scripted()
    async with make_app(box).run_test(size=size) as pilot:
        lines = await opened(pilot, "The service is not installed")
        assert "without root" in lines.plain
        assert keys(pilot) == ["i Install"]
        await press(pilot, "i", "n")
        assert monitor.asked == []
        await press(pilot, "i", "y")
        await until(pilot, lambda: "has been running for" in lines.plain)
        assert "at boot, by your crontab" in lines.plain
        assert "of 8 GPUs, 1 alert active" in lines.plain
        await until(pilot, lambda: keys(pilot) == ["x Stop", "R Remove"])
        await press(pilot, "x", "y")
        await until(pilot, lambda: "does not run" in lines.plain)
        await until(pilot, lambda: keys(pilot) == ["s Start", "R Remove"])
        await pilot.press("s")
        await until(pilot, lambda: "has been running for" in lines.plain)
        await press(pilot, "R", "y")
        await until(pilot, lambda: "not installed" in lines.plain)
        assert monitor.asked == ["install", "stop", "start", "remove"]
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, MonitorScreen))


async def test_an_old_version_can_be_updated() -> None:
    box, monitor = scripted(RUNNING)
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await opened(pilot, "another one is here: update it")
        assert keys(pilot) == ["u Update", "x Stop", "R Remove"]
        await press(pilot, "u", "y")
        await until(pilot, lambda: ", current" in lines.plain)
        assert monitor.asked == ["update"]
        await until(pilot, lambda: keys(pilot) == ["x Stop", "R Remove"])


async def test_outlets_troubles_and_notes_are_shown_harmless() -> None:
    sick = replace(
        RUNNING,
        outlets=(OutletStatus("zabbix", False, HOSTILE),),
        config=HOSTILE,
        notes=(f"No cron {HOSTILE}",),
    )
    box, _ = scripted(sick)
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await opened(pilot, "does not work: [/b]")
        assert "! The configuration is not used: [/b]" in lines.plain
        assert "No cron [/b]" in lines.plain
        assert "\x1b" not in lines.plain


async def test_a_look_that_fails_says_why_and_the_next_one_clears_it() -> None:
    box, monitor = scripted(RUNNING, RemoteError("No Python on the box", "None was found"))
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        lines = await opened(pilot, "No Python on the box. None was found")
        assert keys(pilot) == []
        monitor.error = None
        await pilot.press("r")
        await until(pilot, lambda: "has been running for" in lines.plain)
        assert "No Python" not in lines.plain


async def test_the_help_explains_the_window() -> None:
    box, _ = scripted()
    async with make_app(box).run_test(size=(120, 40)) as pilot:
        await opened(pilot, "not installed")
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
